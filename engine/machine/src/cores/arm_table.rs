//! Makers and cores by the numbers of the main ID register (MIDR_EL1).
//!
//! Only what one of these sources names is here; any other core is known by its numbers:
//! * Linux, `arch/arm64/include/asm/cputype.h`: most of it, with TSV110, HIP09 and HIP12;
//! * util-linux, `sys-utils/lscpu-arm.c`: Phytium's, OcteonTX2, ThunderX3, MONAKA, the older Denver, Cortex-A34,
//!   A65 and A65AE, Neoverse-E1, and that 0x48/0xd40 and 0xd41 are Cortex-A76 and A77 under HiSilicon's number;
//! * openEuler's GCC, `gcc/config/aarch64/aarch64-cores.def`: hip11.
//!
//! In which server a core is: Kunpeng 920 by lscpu-arm.c; Kunpeng 920B by what such hosts say of themselves
//! (0x48/0xd02 in `/proc/cpuinfo`), and openEuler's LLVM, whose pass for "920B" looks for hip09. lscpu-arm.c
//! has seen 0x48/0xd02 in telephones too, which run no servers.

/// A maker, by the implementer's number.
pub(super) struct Maker {
    pub(super) implementer: u8,
    pub(super) name: &'static str,
    pub(super) cores: &'static [Named],
}

/// A core, by its part number among those of its maker.
pub(super) struct Named {
    pub(super) part: u16,
    pub(super) core: &'static str,
    /// The server processor that it is known from; empty: none in particular.
    pub(super) processor: &'static str,
}

const fn core(part: u16, core: &'static str) -> Named {
    in_processor(part, core, "")
}

const fn in_processor(part: u16, core: &'static str, processor: &'static str) -> Named {
    Named {
        part,
        core,
        processor,
    }
}

/// All makers, by number.
pub(super) static MAKERS: &[Maker] = &[
    Maker {
        implementer: 0x41,
        name: "Arm",
        cores: &[
            core(0xd02, "Cortex-A34"),
            core(0xd03, "Cortex-A53"),
            core(0xd04, "Cortex-A35"),
            core(0xd05, "Cortex-A55"),
            core(0xd06, "Cortex-A65"),
            core(0xd07, "Cortex-A57"),
            core(0xd08, "Cortex-A72"),
            core(0xd09, "Cortex-A73"),
            core(0xd0a, "Cortex-A75"),
            core(0xd0b, "Cortex-A76"),
            core(0xd0c, "Neoverse-N1"),
            core(0xd0d, "Cortex-A77"),
            core(0xd0e, "Cortex-A76AE"),
            core(0xd40, "Neoverse-V1"),
            core(0xd41, "Cortex-A78"),
            core(0xd42, "Cortex-A78AE"),
            core(0xd43, "Cortex-A65AE"),
            core(0xd44, "Cortex-X1"),
            core(0xd46, "Cortex-A510"),
            core(0xd47, "Cortex-A710"),
            core(0xd48, "Cortex-X2"),
            core(0xd49, "Neoverse-N2"),
            core(0xd4a, "Neoverse-E1"),
            core(0xd4b, "Cortex-A78C"),
            core(0xd4c, "Cortex-X1C"),
            core(0xd4d, "Cortex-A715"),
            core(0xd4e, "Cortex-X3"),
            core(0xd4f, "Neoverse-V2"),
            core(0xd80, "Cortex-A520"),
            core(0xd81, "Cortex-A720"),
            core(0xd82, "Cortex-X4"),
            core(0xd83, "Neoverse-V3AE"),
            core(0xd84, "Neoverse-V3"),
            core(0xd85, "Cortex-X925"),
            core(0xd87, "Cortex-A725"),
            core(0xd89, "Cortex-A720AE"),
            core(0xd8e, "Neoverse-N3"),
        ],
    },
    Maker {
        implementer: 0x42,
        name: "Broadcom",
        cores: &[core(0x100, "Brahma-B53"), core(0x516, "Vulcan")],
    },
    Maker {
        implementer: 0x43,
        name: "Cavium",
        cores: &[
            core(0x0a1, "ThunderX"),
            core(0x0a2, "ThunderX-81XX"),
            core(0x0a3, "ThunderX-83XX"),
            core(0x0af, "ThunderX2"),
            core(0x0b0, "OcteonTX2"),
            core(0x0b1, "OcteonTX2-98XX"),
            core(0x0b2, "OcteonTX2-96XX"),
            core(0x0b3, "OcteonTX2-95XX"),
            core(0x0b4, "OcteonTX2-95XXN"),
            core(0x0b5, "OcteonTX2-95XXMM"),
            core(0x0b6, "OcteonTX2-95XXO"),
            core(0x0b8, "ThunderX3-T110"),
        ],
    },
    Maker {
        implementer: 0x46,
        name: "Fujitsu",
        cores: &[core(0x001, "A64FX"), core(0x003, "MONAKA")],
    },
    Maker {
        implementer: 0x48,
        name: "HiSilicon",
        cores: &[
            in_processor(0xd01, "TSV110", "Kunpeng 920"),
            in_processor(0xd02, "HIP09", "Kunpeng 920B"),
            core(0xd06, "HIP12"),
            core(0xd22, "HIP11"),
            core(0xd40, "Cortex-A76"),
            core(0xd41, "Cortex-A77"),
        ],
    },
    Maker {
        implementer: 0x4e,
        name: "NVIDIA",
        cores: &[
            core(0x000, "Denver"),
            core(0x003, "Denver 2"),
            core(0x004, "Carmel"),
            core(0x010, "Olympus"),
        ],
    },
    Maker {
        implementer: 0x50,
        name: "APM",
        cores: &[core(0x000, "X-Gene")],
    },
    Maker {
        implementer: 0x51,
        name: "Qualcomm",
        cores: &[
            core(0x001, "Oryon"),
            core(0x200, "Kryo"),
            core(0x800, "Kryo-2XX-Gold"),
            core(0x801, "Kryo-2XX-Silver"),
            core(0x802, "Kryo-3XX-Gold"),
            core(0x803, "Kryo-3XX-Silver"),
            core(0x804, "Kryo-4XX-Gold"),
            core(0x805, "Kryo-4XX-Silver"),
            core(0xc00, "Falkor"),
            core(0xc01, "Saphira"),
        ],
    },
    Maker {
        implementer: 0x61,
        name: "Apple",
        cores: &[
            core(0x022, "Icestorm-M1"),
            core(0x023, "Firestorm-M1"),
            core(0x024, "Icestorm-M1-Pro"),
            core(0x025, "Firestorm-M1-Pro"),
            core(0x028, "Icestorm-M1-Max"),
            core(0x029, "Firestorm-M1-Max"),
            core(0x032, "Blizzard-M2"),
            core(0x033, "Avalanche-M2"),
            core(0x034, "Blizzard-M2-Pro"),
            core(0x035, "Avalanche-M2-Pro"),
            core(0x038, "Blizzard-M2-Max"),
            core(0x039, "Avalanche-M2-Max"),
        ],
    },
    Maker {
        implementer: 0x6d,
        name: "Microsoft",
        cores: &[core(0xd49, "Azure-Cobalt-100")],
    },
    Maker {
        implementer: 0x70,
        name: "Phytium",
        cores: &[
            core(0x303, "FTC310"),
            core(0x660, "FTC660"),
            core(0x661, "FTC661"),
            core(0x662, "FTC662"),
            core(0x663, "FTC663"),
            core(0x664, "FTC664"),
            core(0x862, "FTC862"),
        ],
    },
    Maker {
        implementer: 0xc0,
        name: "Ampere",
        cores: &[core(0xac3, "Ampere-1"), core(0xac4, "Ampere-1A")],
    },
];
