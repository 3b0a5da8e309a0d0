//! The components of a graph (Tarjan), without recursion.

/// A graph whose nodes are numbers from 0.
#[derive(Debug)]
pub struct Graph {
    /// Where the edges out of a node begin in `targets`; one more than there are nodes.
    starts: Vec<u32>,
    targets: Vec<u32>,
}

const UNSEEN: u32 = u32::MAX;

impl Graph {
    /// A graph of that many nodes with these edges, which are sorted by source. Edges of other nodes are left out.
    pub fn new(nodes: usize, edges: impl Iterator<Item = (usize, usize)> + Clone) -> Self {
        let edges = edges.filter(|(from, to)| *from < nodes && *to < nodes);
        let mut starts = vec![0_u32; nodes + 1];
        for (from, _) in edges.clone() {
            starts[from + 1] += 1;
        }
        let mut sum = 0;
        for slot in &mut starts {
            sum += *slot;
            *slot = sum;
        }
        let targets = edges
            .map(|(_, to)| u32::try_from(to).unwrap_or(u32::MAX))
            .collect();
        Self { starts, targets }
    }

    /// The component of each node, and how many there are. An edge between two leads to the lower number.
    pub fn components(&self) -> (Vec<u32>, usize) {
        let nodes = self.starts.len() - 1;
        let mut component = vec![UNSEEN; nodes];
        let mut count = 0_u32;
        let mut order = vec![UNSEEN; nodes];
        let mut low = vec![0_u32; nodes];
        let mut stack: Vec<usize> = Vec::new();
        let mut work: Vec<(usize, usize)> = Vec::new();
        let mut next = 0_u32;
        for root in 0..nodes {
            if order[root] != UNSEEN {
                continue;
            }
            work.push((root, self.starts[root] as usize));
            (order[root], low[root]) = (next, next);
            next += 1;
            stack.push(root);
            while let Some((node, edge)) = work.last_mut() {
                let node = *node;
                if *edge < self.starts[node + 1] as usize {
                    let to = self.targets[*edge] as usize;
                    *edge += 1;
                    if order[to] == UNSEEN {
                        (order[to], low[to]) = (next, next);
                        next += 1;
                        stack.push(to);
                        work.push((to, self.starts[to] as usize));
                    } else if component[to] == UNSEEN {
                        low[node] = low[node].min(order[to]);
                    }
                    continue;
                }
                work.pop();
                if let Some((parent, _)) = work.last() {
                    low[*parent] = low[*parent].min(low[node]);
                }
                if low[node] == order[node] {
                    while let Some(member) = stack.pop() {
                        component[member] = count;
                        if member == node {
                            break;
                        }
                    }
                    count += 1;
                }
            }
        }
        (component, count as usize)
    }
}
