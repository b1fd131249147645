//! Every small lineage against the definition, path by path in exact fractions.
#![expect(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "a test may panic")]
use super::{Edges, Flow, Mode, Unsound, flatten, flows};
use crate::arithmetic::split::WHOLE;
use std::collections::BTreeSet;

type Graph = Vec<Edges<usize>>;

const WHOLE_PPM: u128 = 1_000_000;

/// Every graph of so many nodes in which parents are older than their children, with the share that `share` gives an edge.
fn graphs(nodes: usize, share: impl Fn(usize, usize) -> u32) -> Vec<Graph> {
    let pairs: Vec<(usize, usize)> =
        (0..nodes).flat_map(|child| (0..child).map(move |parent| (child, parent))).collect();
    let graph = |chosen: u32| {
        let mut graph = vec![Vec::new(); nodes];
        for (index, (child, parent)) in pairs.iter().enumerate() {
            if chosen >> index & 1 == 1 {
                graph[*child].push((*parent, share(*child, *parent)));
            }
        }
        graph
    };
    (0..1 << pairs.len()).map(graph).collect()
}

/// Nodes at the ends of all paths from `node`, each with what a payment of `numerator` / 10^6^4 brings there.
fn walk(graph: &Graph, node: usize, numerator: u128, received: &mut [u128]) {
    received[node] += numerator;
    for (parent, share) in &graph[node] {
        walk(graph, *parent, numerator * u128::from(*share) / WHOLE_PPM, received);
    }
}

/// By the definition: the sum over all paths of the product of the shares, net of the node's own parents.
fn relative(graph: &Graph, root: usize) -> Option<Vec<u128>> {
    let whole = WHOLE_PPM.pow(4);
    let mut received = vec![0; graph.len()];
    walk(graph, root, whole, &mut received);
    let keep = |node: usize| {
        let given: u128 = graph[node].iter().map(|(_, share)| u128::from(*share)).sum();
        (received[node] * WHOLE_PPM).checked_sub(received[node] * given).map(|net| net / WHOLE_PPM)
    };
    (0..graph.len()).map(keep).collect()
}

/// By the definition: each edge that can be reached, once.
fn absolute(graph: &Graph, root: usize) -> Option<Vec<u128>> {
    let mut reached = BTreeSet::from([root]);
    while let Some(next) = reached
        .iter()
        .flat_map(|node| &graph[*node])
        .map(|(parent, _)| *parent)
        .find(|it| !reached.contains(it))
    {
        reached.insert(next);
    }
    let mut kept = vec![0; graph.len()];
    let mut left = WHOLE_PPM;
    for (parent, share) in reached.iter().flat_map(|node| &graph[*node]) {
        kept[*parent] += u128::from(*share) * WHOLE_PPM.pow(3);
        left = left.checked_sub(u128::from(*share))?;
    }
    kept[root] += left * WHOLE_PPM.pow(3);
    Some(kept)
}

/// In parts of 10^24, so that the fraction of five nodes is exact.
fn flattened(graph: &Graph, root: usize, mode: Mode) -> Option<Vec<u128>> {
    let found = flatten(&root, |node| graph[*node].clone(), mode, graph.len());
    assert!(!matches!(found, Err(Unsound::TooDeep)), "no path is longer than there are nodes");
    let mut kept = vec![0; graph.len()];
    let parts = found.ok()?;
    assert_eq!(parts.first().map(|(node, _)| *node), Some(root), "the root stands first");
    assert_eq!(parts.iter().map(|(_, share)| share).sum::<i128>(), WHOLE, "the shares sum to the whole");
    for (node, share) in parts {
        kept[node] = u128::try_from(share).expect("no share is negative") * WHOLE_PPM;
    }
    Some(kept)
}

#[test]
fn every_small_lineage_is_what_its_paths_say() {
    let patterns: [fn(usize, usize) -> u32; 4] = [
        |_, _| 100_000,
        |child, parent| u32::try_from(child * 70 + parent * 30 + 10).expect("it is small") * 1000,
        |_, _| 400_000,
        |child, parent| u32::try_from((child * 7 + parent * 11) % 5).expect("it is small") * 250_000,
    ];
    let (mut sound, mut unsound) = (0, 0);
    for nodes in 1..=5 {
        for share in patterns {
            for graph in graphs(nodes, share) {
                let root = nodes - 1;
                for (mode, expected) in
                    [(Mode::Relative, relative(&graph, root)), (Mode::Absolute, absolute(&graph, root))]
                {
                    assert_eq!(flattened(&graph, root, mode), expected, "{mode:?} {graph:?}");
                    if expected.is_some() { sound += 1 } else { unsound += 1 }
                }
            }
        }
    }
    assert_eq!(sound + unsound, 2 * 4 * (1 + 2 + 8 + 64 + 1024));
    assert!(sound > 4000 && unsound > 1000, "{sound} sound, {unsound} unsound");
}

/// A ladder of `rungs` diamonds, each edge with the same share; the top is the newest.
fn ladder(rungs: usize, share: u32) -> Graph {
    let mut graph = vec![Vec::new()];
    for rung in 0..rungs {
        let below = rung * 3;
        graph.push(vec![(below, share)]);
        graph.push(vec![(below, share)]);
        graph.push(vec![(below + 1, share), (below + 2, share)]);
    }
    graph
}

/// Five diamonds have 2^5 paths to the bottom; in absolute mode they take 20 edges of one percent, not one for each path.
#[test]
fn a_ladder_of_diamonds_stacks_edges_and_not_paths() {
    for (rungs, ancestors_ppm) in [(1, 40_000), (2, 80_000), (3, 120_000), (4, 160_000), (5, 200_000)] {
        let graph = ladder(rungs, 10_000);
        let top = graph.len() - 1;
        let kept = flattened(&graph, top, Mode::Absolute).expect("it is sound");
        assert_eq!(kept[top] / WHOLE_PPM.pow(3), WHOLE_PPM - ancestors_ppm, "{rungs} rungs");
    }
    let long = ladder(40, 10_000);
    let top = long.len() - 1;
    assert_eq!(
        flattened(&long, top, Mode::Absolute),
        None,
        "160 edges of one percent are more than the whole"
    );
    let kept = flattened(&long, top, Mode::Relative).expect("a node of two edges gives two percent");
    assert_eq!(kept[top], 980_000 * WHOLE_PPM.pow(3));
}

#[test]
fn a_cycle_has_no_end() {
    let round = |node: &usize| vec![((node + 1) % 3, 1)];
    for mode in [Mode::Relative, Mode::Absolute] {
        assert_eq!(flatten(&0, round, mode, 8), Err(Unsound::TooDeep));
        assert_eq!(flatten(&0, |_| vec![(0, 1)], mode, 8), Err(Unsound::TooDeep));
    }
}

#[test]
fn depth_counts_the_longest_path() {
    let chain = |node: &usize| if *node < 8 { vec![(node + 1, 1), (8, 1)] } else { Vec::new() };
    assert_eq!(flatten(&0, chain, Mode::Relative, 8).map(|parts| parts.len()), Ok(9));
    assert_eq!(flatten(&0, chain, Mode::Relative, 7), Err(Unsound::TooDeep));
}

#[test]
fn nobody_gives_more_than_they_have() {
    let two =
        |share| move |node: &usize| if *node == 0 { vec![(1, share), (2, 500_000)] } else { Vec::new() };
    for mode in [Mode::Relative, Mode::Absolute] {
        assert_eq!(flatten(&0, two(500_001), mode, 8), Err(Unsound::MoreThanWhole));
        assert_eq!(flatten(&0, two(500_000), mode, 8).map(|parts| parts[0].1), Ok(0));
    }
}

/// What a node receives is what it keeps and what it passes on.
#[test]
fn what_comes_in_is_kept_or_passed_on() {
    let graph: Graph = vec![vec![], vec![(0, 100_000)], vec![(0, 100_000)], vec![(1, 100_000), (2, 100_000)]];
    let gross = |mode| -> Vec<(usize, i128, i128)> {
        let found = flows(&3, |node| graph[*node].clone(), mode, 8).expect("it is sound");
        found
            .into_iter()
            .map(|Flow { node, gross, net }| (node, gross * 100 / WHOLE, net * 100 / WHOLE))
            .collect()
    };
    assert_eq!(gross(Mode::Relative), [(3, 100, 80), (1, 10, 9), (2, 10, 9), (0, 2, 2)]);
    assert_eq!(gross(Mode::Absolute), [(3, 100, 60), (1, 10, 10), (2, 10, 10), (0, 20, 20)]);
}
