//! Lineage: the agreed shares along a model's ancestors, flattened into one list.
//!
//! An edge says what part of what the child receives goes to the parent. In *relative* mode (the default) an ancestor's part
//! is the sum over paths of the product of the edges, net of its own parents. In *absolute* mode every reachable edge counts
//! once against the payment, whatever the number of paths: counting paths grows without bound on ladders of diamonds.
use super::split::WHOLE;
use crate::limits::PPM;
use std::collections::BTreeMap;

/// How shares along a lineage combine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Of what the child receives.
    Relative,
    /// Of the payment, each edge once.
    Absolute,
}

/// Why a lineage cannot be flattened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsound {
    /// Deeper than allowed, or a cycle.
    TooDeep,
    /// A node's edges promise more than it receives, or all edges more than the payment.
    MoreThanWhole,
}

/// The parents of a node with their shares in parts per million.
pub type Edges<N> = Vec<(N, u32)>;

/// What a payment to the root brings to a node, in parts of [`WHOLE`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow<N> {
    /// Who it is.
    pub node: N,
    /// What comes in.
    pub gross: i128,
    /// What of it stays.
    pub net: i128,
}

/// What each node keeps of a payment to `root`, as shares that sum to [`WHOLE`]; `root` first, then by depth and name.
///
/// ```
/// use sycee_core::arithmetic::lineage::{Mode, flatten};
/// let edges = |child: &&str| match *child { "D" => vec![("B", 100_000), ("C", 100_000)], "A" => vec![], _ => vec![("A", 100_000)] };
/// let net = flatten(&"D", edges, Mode::Relative, 8).unwrap();
/// let ppm: Vec<_> = net.iter().map(|(node, share)| (*node, share / 1_000_000_000_000)).collect();
/// assert_eq!(ppm, [("D", 800_000), ("B", 90_000), ("C", 90_000), ("A", 20_000)]);
/// ```
pub fn flatten<N: Ord + Clone>(
    root: &N,
    edges_of: impl Fn(&N) -> Edges<N>,
    mode: Mode,
    depth_max: usize,
) -> Result<Vec<(N, i128)>, Unsound> {
    let flows = flows(root, edges_of, mode, depth_max)?;
    Ok(flows.into_iter().map(|flow| (flow.node, flow.net)).collect())
}

/// The same with what comes in: in relative mode a node passes its parents' parts on, in absolute mode only the root does.
pub fn flows<N: Ord + Clone>(
    root: &N,
    edges_of: impl Fn(&N) -> Edges<N>,
    mode: Mode,
    depth_max: usize,
) -> Result<Vec<Flow<N>>, Unsound> {
    let order = by_depth(root, &edges_of, depth_max)?;
    match mode {
        Mode::Relative => relative(root, &order, edges_of),
        Mode::Absolute => absolute(root, &order, edges_of),
    }
}

/// Every reachable node, parents after all of their children.
fn by_depth<N: Ord + Clone>(
    root: &N,
    edges_of: impl Fn(&N) -> Edges<N>,
    depth_max: usize,
) -> Result<Vec<N>, Unsound> {
    let mut depth_of = BTreeMap::from([(root.clone(), 0usize)]);
    let mut level = vec![root.clone()];
    for depth in 1.. {
        let mut next: Vec<N> = level.iter().flat_map(&edges_of).map(|(parent, _)| parent).collect();
        next.sort();
        next.dedup();
        if next.is_empty() {
            break;
        }
        if depth > depth_max {
            return Err(Unsound::TooDeep);
        }
        depth_of.extend(next.iter().map(|node| (node.clone(), depth)));
        level = next;
    }
    let mut order: Vec<(usize, N)> = depth_of.into_iter().map(|(node, depth)| (depth, node)).collect();
    order.sort();
    Ok(order.into_iter().map(|(_, node)| node).collect())
}

fn relative<N: Ord + Clone>(
    root: &N,
    order: &[N],
    edges_of: impl Fn(&N) -> Edges<N>,
) -> Result<Vec<Flow<N>>, Unsound> {
    let mut received = BTreeMap::from([(root.clone(), WHOLE)]);
    let mut kept = Vec::new();
    for node in order {
        let gross = received.get(node).copied().unwrap_or(0);
        let mut net = gross;
        for (parent, ppm) in edges_of(node) {
            let part = ppm_of(gross, ppm);
            net = net.checked_sub(part).filter(|net| *net >= 0).ok_or(Unsound::MoreThanWhole)?;
            let sum = received.entry(parent).or_insert(0);
            *sum = sum.checked_add(part).expect("R2: no more comes in than was paid");
        }
        kept.push(Flow { node: node.clone(), gross, net });
    }
    Ok(kept)
}

fn absolute<N: Ord + Clone>(
    root: &N,
    order: &[N],
    edges_of: impl Fn(&N) -> Edges<N>,
) -> Result<Vec<Flow<N>>, Unsound> {
    let mut kept: BTreeMap<N, i128> = BTreeMap::new();
    let mut left = WHOLE;
    for (parent, ppm) in order.iter().flat_map(edges_of) {
        let part = ppm_of(WHOLE, ppm);
        left = left.checked_sub(part).filter(|left| *left >= 0).ok_or(Unsound::MoreThanWhole)?;
        let sum = kept.entry(parent).or_insert(0);
        *sum = sum.checked_add(part).expect("R2: no more is kept than was paid");
    }
    let own = kept.entry(root.clone()).or_insert(0);
    *own = own.checked_add(left).expect("R2: no more is kept than was paid");
    let flow = |node: &N| {
        let net = kept.get(node).copied().unwrap_or(0);
        Flow { node: node.clone(), gross: if node == root { WHOLE } else { net }, net }
    };
    Ok(order.iter().map(flow).collect())
}

fn ppm_of(gross: i128, ppm: u32) -> i128 {
    let parts = gross.checked_mul(ppm.into()).expect("R2: WHOLE × 2^32 fits 127 bits");
    parts.div_euclid(i128::from(PPM))
}

#[cfg(test)]
mod tests;
