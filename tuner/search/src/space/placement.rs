//! Teams: thread counts crossed with maps, without what a host cannot tell apart.

use sysinfer_engine::{PhasePlan, Plan, untuned_threads};
use sysinfer_machine::{CpuList, MapPolicy, Neighbours, Topology, place};
use sysinfer_probe::Phase;

use super::threads::{self, ThreadCount};
use super::{Candidate, Skipped, rules};

/// What teams may be made of.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The host.
    pub topology: &'a Topology,
    /// CPUs that can really run at once.
    pub effective_cpus: usize,
    /// Counts asked for; else they are derived.
    pub threads: Option<&'a [usize]>,
    /// Maps asked for; else all that apply.
    pub maps: Option<&'a [MapPolicy]>,
    /// CPUs of the map `given`.
    pub given: Option<&'a CpuList>,
}

/// A team to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TeamOption {
    /// Threads, map and CPUs, as a plan has them.
    pub team: PhasePlan,
    /// Other maps that come out the same here.
    pub same_as: Vec<&'static str>,
    /// Why the count is tried.
    pub reason: String,
    /// Place of the map in the order of simplicity.
    pub simplicity: usize,
}

/// All teams, and what was left out.
#[derive(Clone, Debug, Default)]
pub struct TeamSpace {
    /// Teams to try, fewest threads first.
    pub options: Vec<TeamOption>,
    /// What is not tried, and why.
    pub skipped: Vec<Skipped>,
}

/// Maps, simplest first: the order of preference among equals.
const SIMPLEST_FIRST: [MapPolicy; 6] = [
    MapPolicy::Compact,
    MapPolicy::Spread,
    MapPolicy::PerCluster,
    MapPolicy::Smt,
    MapPolicy::Given,
    MapPolicy::Unpinned,
];

/// More teams than this are not all measured in the first race.
const FIRST_TEAMS: usize = 16;

impl TeamSpace {
    /// What the first race is about, and what is tried at the best counts only: where there are many
    /// teams, compact and spread say how many threads are good, and maps that differ in detail are
    /// tried with those.
    pub fn in_two(&self) -> (TeamSpace, TeamSpace) {
        let is_first = |option: &TeamOption| {
            self.options.len() <= FIRST_TEAMS
                || option.simplicity < 2
                || option.team.map == MapPolicy::Given.name()
        };
        let (first, later): (Vec<_>, Vec<_>) = self.options.iter().cloned().partition(is_first);
        let only = |options| TeamSpace {
            options,
            skipped: Vec::new(),
        };
        match first.len() < 2 {
            true => (only(self.options.clone()), only(Vec::new())),
            false => (only(first), only(later)),
        }
    }
}

/// Every team of the coarse grid that the request allows.
pub fn teams(request: &Request<'_>) -> TeamSpace {
    let counts = match request.threads {
        Some(asked) => threads::asked_for(asked),
        None => threads::counts(request.topology, request.effective_cpus),
    };
    teams_of(request, &counts)
}

/// Every team that a search may end with: the fine grid, or what was asked for.
pub fn all_teams(request: &Request<'_>) -> TeamSpace {
    let counts = match request.threads {
        Some(asked) => threads::asked_for(asked),
        None => threads::fine(request.topology, request.effective_cpus),
    };
    teams_of(request, &counts)
}

/// Teams near the `best` of those in `tried`, with the maps in `maps`; none where counts were asked
/// for, or where the maps are not policies.
pub fn refined(request: &Request<'_>, best: usize, tried: &TeamSpace, maps: &[&str]) -> TeamSpace {
    if request.threads.is_some() {
        return TeamSpace::default();
    }
    let tried: Vec<usize> = tried
        .options
        .iter()
        .map(|option| option.team.threads)
        .collect();
    let counts = threads::around(request.topology, request.effective_cpus, best, &tried);
    let maps: Vec<MapPolicy> = maps
        .iter()
        .filter_map(|name| MapPolicy::from_name(name).ok())
        .collect();
    let narrowed = Request {
        maps: Some(&maps),
        given: request.given.filter(|_| maps.contains(&MapPolicy::Given)),
        ..*request
    };
    let mut space = teams_of(&narrowed, &counts);
    space.skipped.clear();
    space
}

fn teams_of(request: &Request<'_>, counts: &[ThreadCount]) -> TeamSpace {
    let mut space = TeamSpace::default();
    for count in counts {
        for (simplicity, policy) in SIMPLEST_FIRST.into_iter().enumerate() {
            if wanted(request, policy) {
                add(&mut space, request, count, simplicity, policy);
            }
        }
    }
    space
}

/// The plan of a host that was never tuned, as a server would have it that is alone on the host.
///
/// What others are pinned to is not looked at, neither for this nor for the teams to try: a search is
/// known again, resumed and replayed by what it tries, so that it must not vary with who was there that
/// day. Neighbours disturb a measurement wherever it runs; the host check names them, and samples that
/// they disturb are void. A server finds out for itself whether others are on the CPUs of its profile.
pub fn default_plan(topology: &Topology, effective_cpus: usize) -> Plan {
    alone(topology, untuned_threads(topology, effective_cpus))
}

/// The untuned plan of `threads` on a host of its own.
pub fn alone(topology: &Topology, threads: usize) -> Plan {
    Plan::untuned(topology, threads, &Neighbours::default()).0
}

/// The default plan within a request: where other counts were asked for, nothing but those is run, so
/// the largest of them that can run at once takes the default's place.
pub fn baseline(request: &Request<'_>) -> Plan {
    let usual = untuned_threads(request.topology, request.effective_cpus);
    let only = [usual];
    let asked = request.threads.unwrap_or(&only);
    let fitting = asked
        .iter()
        .filter(|count| **count <= request.effective_cpus);
    let count = match asked.contains(&usual) {
        true => usual,
        false => fitting.max().copied().unwrap_or(usual),
    };
    alone(request.topology, count)
}

/// Candidates of one phase: `base` with each team in turn.
pub fn candidates(space: &TeamSpace, base: &Plan, phase: Phase) -> Vec<Candidate> {
    let with_team = |option: &TeamOption| {
        let mut plan = base.clone();
        *plan.team_mut(phase) = option.team.clone();
        Candidate {
            name: option.name(),
            reason: option.reason_with_twins(),
            rank: (option.team.threads, option.simplicity),
            plan,
        }
    };
    space.options.iter().map(with_team).collect()
}

/// Threads on each NUMA node, in node order: `22+22+22+22`.
pub fn per_node(topology: &Topology, cpus: &[usize]) -> String {
    if cpus.is_empty() {
        return "not pinned".into();
    }
    let on = |id: usize| {
        cpus.iter()
            .filter(move |cpu| topology.cpu(**cpu).is_some_and(|c| c.node == id))
    };
    let counts: Vec<String> = topology
        .nodes
        .iter()
        .map(|node| on(node.id).count().to_string())
        .collect();
    counts.join("+")
}

impl TeamOption {
    /// `88 spread`
    pub fn name(&self) -> String {
        format!("{} {}", self.team.threads, self.team.map)
    }

    /// The reason, and which other maps this team stands for.
    fn reason_with_twins(&self) -> String {
        if self.same_as.is_empty() {
            return self.reason.clone();
        }
        format!(
            "{}; the same CPUs as {}",
            self.reason,
            self.same_as.join(", ")
        )
    }
}

fn wanted(request: &Request<'_>, policy: MapPolicy) -> bool {
    match request.maps {
        Some(maps) => {
            maps.contains(&policy) || (policy == MapPolicy::Given && request.given.is_some())
        }
        None => match policy {
            MapPolicy::Smt => request.topology.smt() > 1,
            MapPolicy::Given => request.given.is_some(),
            _ => true,
        },
    }
}

fn add(
    space: &mut TeamSpace,
    request: &Request<'_>,
    count: &ThreadCount,
    simplicity: usize,
    policy: MapPolicy,
) {
    let name = format!("{} {}", count.threads, policy.name());
    let cpus = match cpus_for(request, count.threads, policy) {
        Ok(cpus) => cpus,
        Err(reason) => return space.skipped.push(Skipped { name, reason }),
    };
    let twin = space
        .options
        .iter_mut()
        .find(|option| option.team.threads == count.threads && option.team.cpus == cpus);
    if let Some(twin) = twin {
        twin.same_as.push(policy.name());
        return;
    }
    let team = PhasePlan {
        threads: count.threads,
        map: policy.name().into(),
        cpus,
    };
    space.options.push(TeamOption {
        team,
        same_as: Vec::new(),
        reason: count.reason.clone(),
        simplicity,
    });
}

fn cpus_for(
    request: &Request<'_>,
    threads: usize,
    policy: MapPolicy,
) -> Result<Vec<usize>, String> {
    rules::team_makes_sense(threads, request.effective_cpus, request.threads.is_some())?;
    match policy {
        MapPolicy::Given => {
            let list = request.given.ok_or("the map \"given\" needs --cpus")?;
            rules::given_covers(list, threads, request.topology)?;
            Ok(list.assign(threads))
        }
        _ => place(request.topology, policy, threads).map_err(|error| error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(topology: &Topology) -> Request<'_> {
        Request {
            topology,
            effective_cpus: topology.cpus.len(),
            threads: None,
            maps: None,
            given: None,
        }
    }

    #[test]
    fn the_reference_host_gets_equal_threads_on_its_four_nodes() {
        let topology = Topology::from_synthetic("pack:2 numa:2 l3:1 core:24 pu:1").expect("valid");
        let space = teams(&request(&topology));
        let find = |name: &str| space.options.iter().find(|option| option.name() == name);
        let spread = find("88 spread").expect("88 spread is tried");
        assert_eq!(per_node(&topology, &spread.team.cpus), "22+22+22+22");
        let compact = find("88 compact").expect("88 compact is tried");
        assert_eq!(per_node(&topology, &compact.team.cpus), "24+24+24+16");
        let all = find("96 compact").expect("96 compact is tried");
        assert!(
            all.same_as.contains(&"spread"),
            "spread fills the host the same way: {all:?}"
        );
        assert!(find("96 spread").is_none(), "and is not measured twice");
        assert!(find("88 smt").is_none(), "no SMT, no SMT map");
    }

    #[test]
    fn a_large_grid_begins_with_the_maps_that_tell_most() {
        let topology = Topology::from_synthetic("pack:2 numa:2 l3:2 core:16 pu:2").expect("valid");
        let all = teams(&request(&topology));
        let (first, later) = all.in_two();
        assert_eq!(first.options.len() + later.options.len(), all.options.len());
        let maps = |space: &TeamSpace, map: &str| {
            let of_map = space.options.iter().filter(|option| option.team.map == map);
            of_map.count()
        };
        assert!(maps(&first, "compact") > 2 && maps(&first, "spread") > 2);
        assert_eq!((maps(&first, "unpinned"), maps(&later, "compact")), (0, 0));
        assert!(maps(&later, "unpinned") > 2 && maps(&later, "smt") > 2);

        let small = Topology::from_synthetic("pack:1 numa:1 l3:1 core:2 pu:1").expect("valid");
        let (first, later) = teams(&request(&small)).in_two();
        assert_eq!((first.options.len(), later.options.len()), (4, 0));
        let only = [MapPolicy::Unpinned];
        let wish = Request {
            maps: Some(&only),
            ..request(&topology)
        };
        let (first, later) = teams(&wish).in_two();
        assert!(
            first.options.len() > 2 && later.options.is_empty(),
            "only what was asked for"
        );
    }

    #[test]
    fn two_cores_leave_two_maps() {
        let topology = Topology::from_synthetic("pack:1 numa:1 l3:1 core:2 pu:1").expect("valid");
        let names: Vec<String> = teams(&request(&topology))
            .options
            .iter()
            .map(TeamOption::name)
            .collect();
        assert_eq!(
            names,
            ["1 compact", "1 unpinned", "2 compact", "2 unpinned"]
        );
    }

    #[test]
    fn wishes_are_followed_or_refused_with_a_reason() {
        let topology = Topology::from_synthetic("pack:1 numa:2 l3:1 core:4 pu:1").expect("valid");
        let given: CpuList = "0,2,4,6".parse().expect("list");
        let maps = [MapPolicy::Spread, MapPolicy::Given];
        let asked = [3, 4];
        let wish = Request {
            threads: Some(&asked),
            maps: Some(&maps),
            given: Some(&given),
            ..request(&topology)
        };
        let space = teams(&wish);
        let names: Vec<String> = space.options.iter().map(TeamOption::name).collect();
        assert_eq!(names, ["3 given", "4 spread", "4 given"]);
        assert_eq!(space.skipped.len(), 1, "{:?}", space.skipped);
        assert_eq!(space.skipped[0].name, "3 spread");

        let far: CpuList = "0,99".parse().expect("list");
        let two = [2];
        let wish = Request {
            threads: Some(&two),
            given: Some(&far),
            ..request(&topology)
        };
        let skipped = teams(&wish).skipped;
        assert!(
            skipped
                .iter()
                .any(|s| s.name == "2 given" && s.reason.contains("99")),
            "{skipped:?}"
        );
    }

    #[test]
    fn the_default_is_one_thread_per_core() {
        let topology = Topology::from_synthetic("pack:1 numa:1 l3:1 core:4 pu:2").expect("valid");
        let team = default_plan(&topology, 8).decode;
        assert_eq!(
            (team.threads, team.map.as_str(), team.cpus.len()),
            (4, "compact", 4)
        );
        assert_eq!(
            default_plan(&topology, 3).decode.threads,
            3,
            "a quota of 3.9 CPUs"
        );
        let threads = |asked: &[usize]| {
            let wish = Request {
                threads: Some(asked),
                ..request(&topology)
            };
            baseline(&wish).decode.threads
        };
        assert_eq!(
            (threads(&[1, 2]), threads(&[2, 4]), threads(&[99])),
            (2, 4, 4)
        );
    }
}
