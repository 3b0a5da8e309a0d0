//! Which objects places may be.
//!
//! Values flow along edges from node to node: an assignment, an argument, a result. A node is a variable or a field; a field
//! is one node for all instances of its struct, and elements lie in the node of what holds them. Pointers are seen through.
//! So no edge depends on another one's outcome but those of calls of function values, which the caller of [`Flow::solve`]
//! adds round by round, and a solution is reachability: components first, then sets along the order of components.
//!
//! What leaves the package leaks; what comes in from outside is [`Aliases::OUTSIDE`].

use super::components::Graph;
use super::{FieldId, ObjectId, Place, PlaceId, Places, Site, VarId};

/// Objects that one place may be before it counts as anything. Places of real code have a
/// handful, registries of functions some hundred; sets are copied along edges.
pub const MAX_OBJECTS: usize = 256;

/// Variables that a parameter is followed through before it counts as kept.
const MAX_KEPT: usize = 64;

/// A place that values flow through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is what it is named after")]
pub enum Node {
    Var(VarId),
    Field(FieldId),
}

/// How an object gets to where its further operations are not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Escape {
    /// Through an argument of a function whose body is not known.
    Argument(Site),
    /// As a result of a function that other packages can call.
    Result(Site),
    /// Through a variable or field that other packages can name.
    Exported,
    /// Into something that was not understood.
    Unknown(Site),
    /// It may be at more places, or in more company, than is followed ([`MAX_OBJECTS`]).
    TooMany,
}

/// The flow of values in a package, while it is collected.
#[derive(Debug, Default)]
pub struct Flow {
    edges: Vec<(Node, Node)>,
    starts: Vec<(Node, ObjectId)>,
    leaks: Vec<(Node, Escape)>,
}

impl Flow {
    /// Whatever is at `from` may be at `to`.
    pub fn edge(&mut self, from: Node, to: Node) {
        if from != to {
            self.edges.push((from, to));
        }
    }

    /// The object may be at the node.
    pub fn start(&mut self, node: Node, object: ObjectId) {
        self.starts.push((node, object));
    }

    /// Whatever is at the node gets out.
    pub fn leak(&mut self, node: Node, escape: Escape) {
        self.leaks.push((node, escape));
    }

    /// Whether what is at a variable may get out of variables: into a field, out of the package, or to one that `keeps` says of.
    /// Also where it may get further than is followed. To be asked after [`Flow::solve`].
    pub fn is_kept(&self, var: VarId, keeps: impl Fn(VarId) -> bool) -> bool {
        let mut seen = vec![var];
        let mut next = 0;
        while let Some(var) = seen.get(next).copied() {
            next += 1;
            let node = Node::Var(var);
            if keeps(var)
                || self
                    .leaks
                    .binary_search_by_key(&node, |leak| leak.0)
                    .is_ok()
            {
                return true;
            }
            let first = self.edges.partition_point(|(from, _)| *from < node);
            for (_, to) in self
                .edges
                .iter()
                .skip(first)
                .take_while(|(from, _)| *from == node)
            {
                match to {
                    Node::Field(_) => return true,
                    Node::Var(to) if !seen.contains(to) => seen.push(*to),
                    Node::Var(_) => {}
                }
            }
            if seen.len() > MAX_KEPT {
                return true;
            }
        }
        false
    }

    /// The sets of all nodes.
    pub fn solve(&mut self, vars: usize, fields: usize, objects: usize) -> Aliases {
        self.edges.sort_unstable();
        self.edges.dedup();
        self.leaks.sort_unstable();
        let mut solver = Solver::new(self, vars, fields);
        let sets = solver.sets(self);
        let mut aliases = Aliases {
            vars,
            component: solver.component,
            sets,
            escapes: vec![None; objects],
        };
        for (node, escape) in &self.leaks {
            let set = aliases
                .sets
                .get(aliases.set_of(*node))
                .cloned()
                .unwrap_or_default();
            for object in set {
                aliases.escape_by(object, *escape);
            }
        }
        for object in solver.overflown {
            aliases.escape_by(object, Escape::TooMany);
        }
        aliases
    }
}

/// Finds the sets along the order of components.
struct Solver {
    vars: usize,
    /// The component of a node; components are numbered against the flow: an edge leads to a lower number.
    component: Vec<u32>,
    count: usize,
    overflown: Vec<ObjectId>,
}

impl Solver {
    fn new(flow: &Flow, vars: usize, fields: usize) -> Self {
        let number = |node: Node| number_of(node, vars);
        let edges = flow
            .edges
            .iter()
            .map(|(from, to)| (number(*from), number(*to)));
        let (component, count) = Graph::new(vars + fields, edges).components();
        Self {
            vars,
            component,
            count,
            overflown: Vec::new(),
        }
    }

    /// The set of each component: sources before targets, which are those with higher numbers first.
    fn sets(&mut self, flow: &Flow) -> Vec<Vec<ObjectId>> {
        let mut sets: Vec<Vec<ObjectId>> = vec![Vec::new(); self.count];
        for (node, object) in &flow.starts {
            let component = self.component[number_of(*node, self.vars)] as usize;
            sets[component].push(*object);
        }
        let mut edges: Vec<(u32, u32)> = flow
            .edges
            .iter()
            .map(|(from, to)| {
                let component = |node| self.component[number_of(node, self.vars)];
                (component(*from), component(*to))
            })
            .filter(|(from, to)| from != to)
            .collect();
        edges.sort_unstable_by(|one, two| two.cmp(one));
        edges.dedup();
        let mut edges = edges.into_iter().peekable();
        for component in (0..self.count).rev() {
            let mut set = std::mem::take(&mut sets[component]);
            set.sort_unstable();
            set.dedup();
            if set.len() > MAX_OBJECTS {
                self.overflown.append(&mut set);
                set = vec![Aliases::OUTSIDE];
            }
            while let Some((_, to)) = edges.next_if(|(from, _)| *from as usize == component) {
                sets[to as usize].extend_from_slice(&set);
            }
            sets[component] = set;
        }
        sets
    }
}

fn number_of(node: Node, vars: usize) -> usize {
    match node {
        Node::Var(var) => var.index(),
        Node::Field(field) => vars + field.index(),
    }
}

/// Which objects places may be.
#[derive(Debug, Default)]
pub struct Aliases {
    vars: usize,
    component: Vec<u32>,
    sets: Vec<Vec<ObjectId>>,
    escapes: Vec<Option<Escape>>,
}

impl Aliases {
    /// The object that stands for everything from outside of the package; in every package the first.
    pub const OUTSIDE: ObjectId = ObjectId(0);

    fn set_of(&self, node: Node) -> usize {
        let component = self.component.get(number_of(node, self.vars));
        component.map_or(usize::MAX, |component| *component as usize)
    }

    fn escape_by(&mut self, object: ObjectId, escape: Escape) {
        if let Some(slot) = self.escapes.get_mut(object.index()) {
            *slot = Some(slot.map_or(escape, |known| known.min(escape)));
        }
    }

    /// The objects at a node, rising. Without any the node is nil or holds nothing tracked.
    pub fn at_node(&self, node: Node) -> &[ObjectId] {
        self.sets.get(self.set_of(node)).map_or(&[], Vec::as_slice)
    }

    /// The objects that a place may be.
    pub fn objects(&self, places: &Places, place: PlaceId) -> &[ObjectId] {
        self.at_node(node_of(places, place))
    }

    /// Whether a place is surely one of its objects: nothing from outside can be there.
    pub fn is_known(&self, places: &Places, place: PlaceId) -> bool {
        let objects = self.objects(places, place);
        !objects.is_empty() && !objects.contains(&Self::OUTSIDE)
    }

    /// How an object gets out of the package; `None` where all its operations are in the package.
    pub fn escape(&self, object: ObjectId) -> Option<Escape> {
        self.escapes.get(object.index()).copied().flatten()
    }

    /// Whether two places may be the same thing: they have an object in common.
    pub fn may_be_same(&self, places: &Places, one: PlaceId, two: PlaceId) -> bool {
        let (one, two) = (self.objects(places, one), self.objects(places, two));
        one.iter().any(|object| two.binary_search(object).is_ok())
    }
}

/// The node of a place.
pub fn node_of(places: &Places, mut place: PlaceId) -> Node {
    loop {
        match *places.get(place) {
            Place::Var(var) => return Node::Var(var),
            Place::Field(_, field) => return Node::Field(field),
            Place::Element(of) => place = of,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V: [Node; 5] = [
        Node::Var(VarId(0)),
        Node::Var(VarId(1)),
        Node::Var(VarId(2)),
        Node::Var(VarId(3)),
        Node::Var(VarId(4)),
    ];

    #[track_caller]
    fn check(edges: &[(usize, usize)], starts: &[(usize, u32)], expected: [&[u32]; 5]) {
        let mut flow = Flow::default();
        for (from, to) in edges {
            flow.edge(V[*from], V[*to]);
        }
        for (node, object) in starts {
            flow.start(V[*node], ObjectId(*object));
        }
        let aliases = flow.solve(5, 0, 10);
        for (node, expected) in V.iter().zip(expected) {
            let found: Vec<u32> = aliases
                .at_node(*node)
                .iter()
                .map(|object| object.0)
                .collect();
            assert_eq!(found, expected, "{node:?}");
        }
    }

    #[test]
    fn values_flow_one_way() {
        check(
            &[(0, 1), (1, 2)],
            &[(0, 1), (2, 2)],
            [&[1], &[1], &[1, 2], &[], &[]],
        );
    }

    #[test]
    fn a_cycle_shares_one_set() {
        let edges = [(0, 1), (1, 2), (2, 0), (2, 3), (4, 1)];
        check(
            &edges,
            &[(0, 1), (4, 2)],
            [&[1, 2], &[1, 2], &[1, 2], &[1, 2], &[2]],
        );
    }

    #[test]
    fn what_leaks_has_escaped_and_what_does_not_has_not() {
        let mut flow = Flow::default();
        flow.start(V[0], ObjectId(1));
        flow.start(V[2], ObjectId(2));
        flow.edge(V[0], V[1]);
        flow.leak(V[1], Escape::Exported);
        let aliases = flow.solve(5, 0, 3);
        assert_eq!(aliases.escape(ObjectId(1)), Some(Escape::Exported));
        assert_eq!(aliases.escape(ObjectId(2)), None);
    }

    #[test]
    fn a_crowd_counts_as_anything() {
        let mut flow = Flow::default();
        let crowd = u32::try_from(MAX_OBJECTS).unwrap() + 2;
        for object in 1..=crowd {
            flow.start(V[0], ObjectId(object));
        }
        let aliases = flow.solve(5, 0, crowd as usize + 1);
        assert_eq!(aliases.at_node(V[0]), [Aliases::OUTSIDE]);
        assert_eq!(aliases.escape(ObjectId(crowd)), Some(Escape::TooMany));
    }
}
