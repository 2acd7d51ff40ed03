//! An arm64 core by the numbers of its main ID register.

use std::fmt;

use super::arm_table::{MAKERS, Maker, Named};

/// What the main ID register (MIDR_EL1) of a CPU says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArmCore {
    /// Who made it: 0x48 is HiSilicon.
    pub implementer: u8,
    /// Which of the maker's cores, 12 bits: 0xd01 is TSV110.
    pub part: u16,
    /// Variant and revision, 4 bits each; `None` where the system does not say.
    pub release: Option<(u8, u8)>,
}

/// Bits 16 to 19 of the register of every arm64 CPU: features are said by registers of their own.
const ARCHITECTURE: u32 = 0xf;

impl ArmCore {
    /// The register as `/sys` writes it: `0x00000000481fd010`. Its upper half is zero.
    pub(super) fn from_register(text: &str) -> Option<ArmCore> {
        let register = u32::try_from(hexadecimal(text)?).ok()?;
        let is_arm64 = register >> 16 & 0xf == ARCHITECTURE;
        let four_bits = |shift: u32| (register >> shift & 0xf) as u8;
        is_arm64.then(|| ArmCore {
            implementer: (register >> 24) as u8,
            part: (register >> 4 & 0xfff) as u16,
            release: Some((four_bits(20), four_bits(0))),
        })
    }

    /// The numbers as `/proc/cpuinfo` writes them: `0x48`, `0xd01`, `0x1` and, decimal, `0`.
    pub(super) fn from_fields(
        implementer: &str,
        part: &str,
        variant: Option<&str>,
        revision: Option<&str>,
    ) -> Option<ArmCore> {
        let part = u16::try_from(hexadecimal(part)?).ok()?;
        let four_bits = |number: u64| (number < 16).then_some(number as u8);
        let variant = variant.and_then(hexadecimal).and_then(four_bits);
        let revision = revision.and_then(|text| text.trim().parse().ok());
        Some(ArmCore {
            implementer: u8::try_from(hexadecimal(implementer)?).ok()?,
            part: (part < 0x1000).then_some(part)?,
            release: variant.zip(revision.and_then(four_bits)),
        })
    }

    /// Whether two CPUs have the same core, of whatever release.
    pub fn is_same_core(self, other: ArmCore) -> bool {
        (self.implementer, self.part) == (other.implementer, other.part)
    }

    /// The register's lower half; `None` without variant and revision.
    pub fn midr(self) -> Option<u32> {
        let (variant, revision) = self.release?;
        let fields = [
            u32::from(self.implementer) << 24,
            u32::from(variant) << 20,
            ARCHITECTURE << 16,
            u32::from(self.part) << 4,
            u32::from(revision),
        ];
        Some(fields.into_iter().sum())
    }

    /// The name with all numbers: "HiSilicon Kunpeng 920 (TSV110, MIDR 0x481fd010)".
    pub fn in_full(self) -> String {
        let numbers = match self.midr() {
            Some(midr) => format!("MIDR {midr:#010x}"),
            None => self.numbers(),
        };
        self.named(&numbers)
    }

    fn numbers(self) -> String {
        format!("{:#04x}/{:#05x}", self.implementer, self.part)
    }

    fn named(self, numbers: &str) -> String {
        match self.look_up() {
            None => format!("arm64 CPU ({numbers})"),
            Some((maker, None)) => format!("{} CPU ({numbers})", maker.name),
            Some((maker, Some(known))) if known.processor.is_empty() => {
                format!("{} {} ({numbers})", maker.name, known.core)
            }
            Some((maker, Some(known))) => {
                let (processor, core) = (known.processor, known.core);
                format!("{} {processor} ({core}, {numbers})", maker.name)
            }
        }
    }

    fn look_up(self) -> Option<(&'static Maker, Option<&'static Named>)> {
        let mut makers = MAKERS.iter();
        let maker = makers.find(|maker| maker.implementer == self.implementer)?;
        let known = maker.cores.iter().find(|core| core.part == self.part);
        Some((maker, known))
    }
}

/// The name by which profiles tell cores apart, with the numbers but those of the release:
/// "HiSilicon Kunpeng 920 (TSV110, 0x48/0xd01)".
impl fmt::Display for ArmCore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.named(&self.numbers()))
    }
}

fn hexadecimal(text: &str) -> Option<u64> {
    let digits = text.trim().strip_prefix("0x")?;
    // The parser would take a sign.
    let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u64::from_str_radix(digits, 16).ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_and_fields_say_the_same() {
        let cases = [
            (
                "0x00000000481fd010\n",
                ["0x48", "0xd01", "0x1", "0"],
                "HiSilicon Kunpeng 920 (TSV110, MIDR 0x481fd010)",
                "HiSilicon Kunpeng 920 (TSV110, 0x48/0xd01)",
            ),
            (
                "0x480fd020",
                ["0x48", "0xd02", "0x0", "0"],
                "HiSilicon Kunpeng 920B (HIP09, MIDR 0x480fd020)",
                "HiSilicon Kunpeng 920B (HIP09, 0x48/0xd02)",
            ),
            (
                "0x413fd0c1",
                ["0x41", "0xd0c", "0x3", "1"],
                "Arm Neoverse-N1 (MIDR 0x413fd0c1)",
                "Arm Neoverse-N1 (0x41/0xd0c)",
            ),
            (
                "0x431f0af1",
                ["0x43", "0x0af", "0x1", "1"],
                "Cavium ThunderX2 (MIDR 0x431f0af1)",
                "Cavium ThunderX2 (0x43/0x0af)",
            ),
            // Numbers of no known core, and of no known maker.
            (
                "0x00000000480ffff0",
                ["0x48", "0xfff", "0x0", "0"],
                "HiSilicon CPU (MIDR 0x480ffff0)",
                "HiSilicon CPU (0x48/0xfff)",
            ),
            (
                "0x990f0012",
                ["0x99", "0x001", "0x0", "2"],
                "arm64 CPU (MIDR 0x990f0012)",
                "arm64 CPU (0x99/0x001)",
            ),
        ];
        for (register, [implementer, part, variant, revision], full, name) in cases {
            let read = ArmCore::from_register(register).expect(register);
            let (variant, revision) = (Some(variant), Some(revision));
            let fields = ArmCore::from_fields(implementer, part, variant, revision);
            assert_eq!(Some(read), fields, "{register}");
            assert_eq!((read.in_full().as_str(), &*read.to_string()), (full, name));
        }
    }

    #[test]
    fn what_is_no_register_is_none() {
        let beyond = "0x00000001481fd010";
        let long = format!("0x{}", "4".repeat(1000));
        for text in [
            "",
            "0x",
            "481fd010",
            "0x+81fd010",
            "0x48 1fd010",
            "0x4810d010",
            "kunpeng",
        ] {
            assert_eq!(ArmCore::from_register(text), None, "{text}");
        }
        for text in [beyond, &long] {
            assert_eq!(ArmCore::from_register(text), None, "{text}");
        }
        for [implementer, part] in [["0x148", "0xd01"], ["0x48", "0x1d01"], ["H", "0xd01"]] {
            assert_eq!(
                ArmCore::from_fields(implementer, part, None, None),
                None,
                "{implementer} {part}"
            );
        }
        let unreleased = ArmCore::from_fields("0x48", "0xd01", Some("0x1"), Some("99"));
        let unreleased = unreleased.expect("known by maker and part");
        assert_eq!((unreleased.release, unreleased.midr()), (None, None));
        let name = "HiSilicon Kunpeng 920 (TSV110, 0x48/0xd01)";
        assert_eq!(unreleased.in_full(), name);
    }

    #[test]
    fn no_number_stands_twice() {
        for (index, maker) in MAKERS.iter().enumerate() {
            let others = &MAKERS[index + 1..];
            assert!(
                others
                    .iter()
                    .all(|other| other.implementer > maker.implementer),
                "{}",
                maker.name
            );
            let parts = maker.cores.windows(2);
            for pair in parts {
                assert!(
                    pair[0].part < pair[1].part,
                    "{} {}",
                    maker.name,
                    pair[1].core
                );
            }
        }
    }
}
