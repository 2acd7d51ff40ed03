//! The only file that says `hwlocality`: reads libhwloc's object tree into our plain values, so that
//! its alpha API can change without anybody else noticing.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

use hwlocality::object::TopologyObject;
use hwlocality::object::attributes::ObjectAttributes;
use hwlocality::object::types::ObjectType;

use super::{Caches, Cpu, Node, Topology};
use crate::cpu_list::MAX_CPU_ID;
use crate::{MachineError, pin};

/// The largest topology file; a real one of a large machine has some hundred KiB.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// The most objects of a synthetic machine at any level: libhwloc takes time and memory by their
/// square, a second and some hundred megabytes for these.
const MAX_SYNTHETIC_OBJECTS: usize = 16_384;

/// Data and unified caches from the core outwards.
const CACHE_LEVELS: [ObjectType; 5] = [
    ObjectType::L1Cache,
    ObjectType::L2Cache,
    ObjectType::L3Cache,
    ObjectType::L4Cache,
    ObjectType::L5Cache,
];

/// What the environment puts in the host's place, if anything. libhwloc would read these variables
/// itself, but passes over a bad value in silence.
pub(super) fn from_environment() -> Option<Result<Topology, MachineError>> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(path) = variable("HWLOC_XMLFILE") {
        return Some(from_xml_file(Path::new(&path)));
    }
    let description = variable("HWLOC_SYNTHETIC")?;
    Some(from_synthetic(&description.to_string_lossy()))
}

pub(super) fn this_host() -> Result<Topology, MachineError> {
    let tree = hwlocality::Topology::new().map_err(|error| MachineError::Discovery {
        why: error.to_string(),
    })?;
    read(&tree, "hwloc".to_owned(), tree.is_this_system())
}

pub(super) fn from_synthetic(description: &str) -> Result<Topology, MachineError> {
    let error = |why: String| MachineError::Synthetic {
        description: description.chars().take(200).collect(),
        why,
    };
    check_size(description).map_err(|why| error(why.to_owned()))?;
    let tree = hwlocality::Topology::builder()
        .from_synthetic(description)
        .map_err(|hwloc_error| error(hwloc_error.to_string()))?
        .build()
        .map_err(|hwloc_error| error(hwloc_error.to_string()))?;
    // HWLOC_THISSYSTEM can make libhwloc say that this is the host; it is not.
    read(&tree, format!("synthetic {description}"), false)
}

/// libhwloc builds what it is told to build, however large; so the product of the counts is bounded
/// first. It reads more than is documented (counts as in C, levels without a blank between), so what it
/// could read otherwise than this function is refused; it judges the rest of the syntax.
fn check_size(description: &str) -> Result<(), &'static str> {
    if description.trim().is_empty() {
        return Err("it is empty");
    }
    let levels = without_brackets(description);
    // Every pair of square brackets attaches memory to each object of its level.
    let mut objects = 1 + description.matches('[').count();
    for level in levels.split_whitespace() {
        let (kind, count) = level.rsplit_once(':').unwrap_or(("", level));
        let is_plain = count.bytes().all(|byte| byte.is_ascii_digit())
            && !(count.len() > 1 && count.starts_with('0'));
        if kind.contains(':') || !is_plain {
            return Err("its levels must be KIND:COUNT, with decimal counts and blanks between");
        }
        // What has no count at all is for libhwloc to refuse.
        if !count.is_empty() {
            objects = count
                .parse()
                .ok()
                .and_then(|count: usize| objects.checked_mul(count))
                .filter(|&objects| objects <= MAX_SYNTHETIC_OBJECTS)
                .ok_or("it has more than 16384 objects")?;
        }
    }
    Ok(())
}

/// A description with a blank for everything in brackets, where there may be blanks and colons:
/// attributes, as of `l3:1(size=48MB)`, and attached memory, as `[numa]`.
fn without_brackets(description: &str) -> String {
    let mut depth = 0usize;
    let mut outside = String::with_capacity(description.len());
    for character in description.chars() {
        match character {
            '(' | '[' => depth += 1,
            ')' | ']' => {
                depth = depth.saturating_sub(1);
                outside.push(' ');
            }
            _ if depth == 0 => outside.push(character),
            _ => {}
        }
    }
    outside
}

pub(super) fn from_xml_file(path: &Path) -> Result<Topology, MachineError> {
    let error = |why: String| MachineError::TopologyFile {
        path: path.to_owned(),
        why,
    };
    let xml = read_text(path).map_err(error)?;
    let tree = hwlocality::Topology::builder()
        .from_xml(&xml)
        .map_err(|hwloc_error| error(format!("no hwloc topology ({hwloc_error})")))?
        .build()
        .map_err(|hwloc_error| error(format!("no hwloc topology ({hwloc_error})")))?;
    let is_synthetic = tree.root_object().info("SyntheticDescription").is_some();
    // True only if HWLOC_THISSYSTEM vouches for the file.
    let is_this_host = tree.is_this_system() && !is_synthetic;
    read(&tree, format!("file {}", path.display()), is_this_host)
}

fn read_text(path: &Path) -> Result<String, String> {
    let metadata = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("not a regular file".to_owned());
    }
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut text = String::new();
    // The limit holds whatever the metadata said, and whatever grows meanwhile.
    let bytes = file
        .take(MAX_FILE_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|error| error.to_string())?;
    if bytes as u64 > MAX_FILE_BYTES {
        return Err("larger than 64 MiB".to_owned());
    }
    Ok(text)
}

/// Numbers objects densely in the order in which they are first met.
#[derive(Default)]
struct Numbering(BTreeMap<(u8, usize), usize>);

impl Numbering {
    fn number(&mut self, key: (u8, usize)) -> usize {
        let next = self.0.len();
        *self.0.entry(key).or_insert(next)
    }
}

fn read(
    tree: &hwlocality::Topology,
    source: String,
    is_this_host: bool,
) -> Result<Topology, MachineError> {
    // Without a list (no /proc, a seccomp filter) hwloc's view of what is allowed has to do.
    let allowed = is_this_host
        .then(pin::current_affinity)
        .and_then(Result::ok);
    let mut cores = Numbering::default();
    let mut clusters = Numbering::default();
    let mut packages = Numbering::default();
    let mut ranks = BTreeMap::<usize, usize>::new();
    let mut seen = BTreeSet::new();
    let mut cpus: Vec<Cpu> = Vec::new();
    let mut third_levels = BTreeSet::new();
    let mut first_unit = None;
    for unit in tree.objects_with_type(ObjectType::PU) {
        let is_allowed = |id: &usize| {
            allowed
                .as_ref()
                .is_none_or(|ids| ids.binary_search(id).is_ok())
        };
        let id = unit
            .os_index()
            .filter(|&id| id <= MAX_CPU_ID)
            .filter(is_allowed);
        // A broken file may name a CPU twice.
        let Some(id) = id.filter(|&id| seen.insert(id)) else {
            continue;
        };
        let node = node_of(tree, unit);
        let core = cores.number(key_of(
            unit,
            unit.first_ancestor_with_type(ObjectType::Core),
        ));
        let rank = ranks.entry(core).or_default();
        cpus.push(Cpu {
            id,
            core,
            smt: *rank,
            cluster: clusters.number(cluster_key(unit, node)),
            node,
            package: packages.number(match unit.first_ancestor_with_type(ObjectType::Package) {
                Some(package) => (1, package.logical_index()),
                None => (0, 0),
            }),
        });
        *rank += 1;
        third_levels.extend(
            unit.first_ancestor_with_type(ObjectType::L3Cache)
                .map(TopologyObject::logical_index),
        );
        first_unit.get_or_insert(unit);
    }
    if cpus.is_empty() {
        return Err(MachineError::NoCpus {
            source_name: source,
        });
    }
    let nodes = nodes_of(tree, &cpus);
    let caches = first_unit.map(|unit| caches_of(unit, third_levels.len()));
    Ok(Topology {
        cpus,
        nodes,
        caches: caches.unwrap_or_default(),
        is_this_host,
        source,
    })
}

/// A core, or the unit itself where hwloc knows no cores.
fn key_of(unit: &TopologyObject, core: Option<&TopologyObject>) -> (u8, usize) {
    match core {
        Some(core) => (1, core.logical_index()),
        None => (0, unit.logical_index()),
    }
}

/// The OS index of the unit's NUMA node; the first one where several are as near (HBM beside DDR).
fn node_of(tree: &hwlocality::Topology, unit: &TopologyObject) -> usize {
    let Some(id) = unit.nodeset().and_then(|nodes| nodes.iter_set().next()) else {
        return 0;
    };
    let id = usize::from(id);
    if tree.node_with_os_index(id).is_some() {
        id
    } else {
        0
    }
}

/// What identifies the unit's cluster: the smallest group of several cores below or at the last-level
/// cache, else that cache if several cores share it, else the NUMA node.
fn cluster_key(unit: &TopologyObject, node: usize) -> (u8, usize) {
    let last_cache = unit.ancestors().filter(|object| is_cache(object)).last();
    let shared_cache = last_cache.filter(|cache| has_several_cores(cache));
    let group = unit
        .ancestors()
        .take_while(|object| shared_cache.is_none_or(|cache| object.depth() != cache.depth()))
        .find(|object| object.object_type() == ObjectType::Group && has_several_cores(object));
    // Logical indices count per depth, and objects of one machine's clusters share a depth.
    match (group, shared_cache) {
        (Some(group), _) => (2, group.logical_index()),
        (None, Some(cache)) => (1, cache.logical_index()),
        (None, None) => (0, node),
    }
}

fn is_cache(object: &TopologyObject) -> bool {
    CACHE_LEVELS.contains(&object.object_type())
}

/// Whether the object holds more than one core; units count where hwloc knows no cores.
fn has_several_cores(object: &TopologyObject) -> bool {
    let mut object = object;
    loop {
        let mut children = object.normal_children();
        match (children.next(), children.next()) {
            (Some(only), None) if only.object_type() != ObjectType::Core => object = only,
            (Some(_), Some(_)) => return object.object_type() != ObjectType::Core,
            _ => return false,
        }
    }
}

fn caches_of(unit: &TopologyObject, l3_count: usize) -> Caches {
    let mut line_bytes = 0;
    let mut size = |level: ObjectType| {
        let cache = unit.first_ancestor_with_type(level)?;
        let Some(ObjectAttributes::Cache(attributes)) = cache.attributes() else {
            return None;
        };
        if line_bytes == 0 {
            line_bytes = attributes.line_size().map_or(0, |bytes| bytes.get());
        }
        usize::try_from(attributes.size()?.get()).ok()
    };
    let [l1d_bytes, l2_bytes, l3_bytes] = [
        ObjectType::L1Cache,
        ObjectType::L2Cache,
        ObjectType::L3Cache,
    ]
    .map(|level| size(level).unwrap_or(0));
    Caches {
        l1d_bytes,
        l2_bytes,
        l3_bytes,
        l3_count,
        line_bytes,
    }
}

/// The nodes of these CPUs, in the order of their first CPU.
fn nodes_of(tree: &hwlocality::Topology, cpus: &[Cpu]) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::new();
    for cpu in cpus {
        match nodes.iter_mut().find(|node| node.id == cpu.node) {
            Some(node) => node.cpus.push(cpu.id),
            None => {
                let memory_bytes = memory_of(tree, cpu.node);
                nodes.push(Node {
                    id: cpu.node,
                    cpus: vec![cpu.id],
                    memory_bytes,
                });
            }
        }
    }
    nodes
}

fn memory_of(tree: &hwlocality::Topology, node: usize) -> u64 {
    match tree
        .node_with_os_index(node)
        .and_then(TopologyObject::attributes)
    {
        Some(ObjectAttributes::NUMANode(attributes)) => {
            attributes.local_memory().map_or(0, |bytes| bytes.get())
        }
        _ => 0,
    }
}
