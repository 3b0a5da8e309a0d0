//! What is known of terms on one way through a function.

use crate::ir::{Compare, Const, Fact, FieldId, Package, Place, TermId, TermKind, Test, VarId};

/// Facts kept on one way; further ones are not, so that more ways count as possible.
const MAX_FACTS: usize = 64;

/// Facts, sorted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Known(Vec<Fact>);

impl Known {
    /// How a test of a term comes out, if that is known.
    pub(super) fn decide(&self, term: TermId, test: Test) -> Option<bool> {
        let mut facts = self.of(term);
        match test {
            Test::True | Test::Nil | Test::Closed => {
                facts.find(|fact| fact.test == test).map(|fact| fact.holds)
            }
            Test::Equals(hash) => facts.find_map(|fact| match fact.test {
                Test::Equals(other) if other == hash => Some(fact.holds),
                Test::Equals(_) if fact.holds => Some(false),
                _ => None,
            }),
            Test::Int(compare, number) => {
                if let Some(fact) = self.of(term).find(|fact| fact.test == test) {
                    return Some(fact.holds);
                }
                let (low, high) = self.range(term);
                let (always, never) = match compare {
                    Compare::Equal => (low == high && low == number, number < low || high < number),
                    Compare::Less => (high < number, low >= number),
                    Compare::LessEqual => (high <= number, low > number),
                };
                always.then_some(true).or(never.then_some(false))
            }
        }
    }

    /// Whether a fact can be.
    pub(super) fn allows(&self, fact: &Fact) -> bool {
        self.decide(fact.term, fact.test) != Some(!fact.holds)
    }

    fn of(&self, term: TermId) -> impl Iterator<Item = &Fact> {
        self.0.iter().filter(move |fact| fact.term == term)
    }

    /// The least and the greatest that a number can be.
    fn range(&self, term: TermId) -> (i64, i64) {
        let (mut low, mut high) = (i64::MIN, i64::MAX);
        for fact in self.of(term) {
            let Test::Int(compare, number) = fact.test else {
                continue;
            };
            match (compare, fact.holds) {
                (Compare::Equal, true) => (low, high) = (low.max(number), high.min(number)),
                (Compare::Equal, false) => {}
                (Compare::Less, true) => high = high.min(number.saturating_sub(1)),
                (Compare::Less, false) => low = low.max(number),
                (Compare::LessEqual, true) => high = high.min(number),
                (Compare::LessEqual, false) => low = low.max(number.saturating_add(1)),
            }
        }
        (low, high)
    }

    /// Adds a fact that is allowed.
    pub(super) fn learn(&mut self, fact: Fact) {
        if self.0.len() >= MAX_FACTS {
            return;
        }
        let key = |fact: &Fact| (fact.term, rank(fact.test));
        let place = self.0.partition_point(|known| key(known) < key(&fact));
        if self.0.get(place).is_none_or(|known| *known != fact) {
            self.0.insert(place, fact);
        }
    }

    /// A variable gets a value that is known or not.
    pub(super) fn assign(&mut self, ir: &Package, var: VarId, value: Option<Const>) {
        self.forget_var(ir, var);
        if let (Some(term), Some(value)) = (ir.term_of(var), value) {
            self.set(term, value);
        }
    }

    /// A term gets a known value.
    pub(super) fn set(&mut self, term: TermId, value: Const) {
        let (test, holds) = match value {
            Const::Bool(value) => (Test::True, value),
            Const::Int(value) => (Test::Int(Compare::Equal, value), true),
            Const::Nil => (Test::Nil, true),
            Const::NonNil => (Test::Nil, false),
            Const::Other(hash) => (Test::Equals(hash), true),
        };
        self.learn(Fact { term, test, holds });
    }

    /// What is known of one term is known of another one too.
    pub(super) fn copy(&mut self, from: TermId, to: TermId) {
        let facts: Vec<Fact> = self.of(from).copied().collect();
        for fact in facts {
            self.learn(Fact { term: to, ..fact });
        }
    }

    /// A variable changes: nothing is known any more of terms that it is part of.
    pub(super) fn forget_var(&mut self, ir: &Package, var: VarId) {
        let terms = ir.terms_of(var);
        self.0.retain(|fact| !terms.contains(&fact.term));
    }

    /// A field of some struct changes.
    pub(super) fn forget_field(&mut self, ir: &Package, field: FieldId) {
        let reads = |term: TermId| match ir[term].kind {
            TermKind::Place(place) | TermKind::Len(place) => {
                let mut steps = ir.places.steps(place);
                steps.any(|step| matches!(step, Place::Field(_, other) if other == field))
            }
            TermKind::Var(_) => false,
            TermKind::Expr(_) => ir[term].is_volatile,
        };
        self.0.retain(|fact| !reads(fact.term));
    }

    /// Other code of this package runs, which may assign some fields.
    pub(super) fn forget_assigned(&mut self, ir: &Package, assigns: impl Fn(&[FieldId]) -> bool) {
        self.0.retain(|fact| {
            let term = &ir[fact.term];
            let is_changed = || match term.kind {
                TermKind::Place(place) | TermKind::Len(place) => {
                    let is_var = term.vars.iter().any(|var| ir[*var].is_volatile);
                    let fields = ir.places.steps(place).filter_map(|step| match step {
                        Place::Field(_, field) => Some(field),
                        _ => None,
                    });
                    let fields: Vec<FieldId> = fields.collect();
                    is_var || fields.iter().any(|field| !ir[*field].is_own) || assigns(&fields)
                }
                _ => true,
            };
            !term.is_volatile || !is_changed()
        });
    }

    /// Other code runs.
    pub(super) fn forget_volatile(&mut self, ir: &Package) {
        self.0.retain(|fact| !ir[fact.term].is_volatile);
    }
}

/// An order of tests.
fn rank(test: Test) -> (u8, i64) {
    match test {
        Test::True => (0, 0),
        Test::Nil => (1, 0),
        Test::Closed => (2, 0),
        Test::Int(Compare::Equal, number) => (3, number),
        Test::Int(Compare::Less, number) => (4, number),
        Test::Int(Compare::LessEqual, number) => (5, number),
        Test::Equals(hash) => (6, hash.cast_signed()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const X: TermId = TermId(0);
    const Y: TermId = TermId(1);

    #[track_caller]
    fn check(known: &[(Test, bool)], test: Test, expected: Option<bool>) {
        let mut facts = Known::default();
        for (test, holds) in known {
            facts.learn(Fact {
                term: X,
                test: *test,
                holds: *holds,
            });
        }
        assert_eq!(facts.decide(X, test), expected);
        assert_eq!(facts.decide(Y, test), None);
    }

    #[test]
    fn equal_tests_come_out_alike() {
        for test in [Test::True, Test::Nil, Test::Closed, Test::Equals(3)] {
            check(&[(test, true)], test, Some(true));
            check(&[(test, false)], test, Some(false));
            check(&[], test, None);
        }
    }

    #[test]
    fn numbers_bound_each_other() {
        use Compare::{Equal, Less, LessEqual};
        let int = Test::Int;
        check(&[(int(Equal, 3), true)], int(Equal, 4), Some(false));
        check(&[(int(Equal, 3), true)], int(Less, 4), Some(true));
        check(&[(int(Equal, 3), false)], int(Equal, 4), None);
        check(&[(int(Less, 3), true)], int(Equal, 3), Some(false));
        check(&[(int(Less, 3), false)], int(Less, 2), Some(false));
        check(&[(int(LessEqual, 0), false)], int(Equal, 0), Some(false));
        check(&[(int(LessEqual, 0), false)], int(Equal, 1), None);
        check(
            &[(int(Less, 1), false), (int(LessEqual, 1), true)],
            int(Equal, 1),
            Some(true),
        );
        check(
            &[(int(LessEqual, i64::MAX), false)],
            int(Less, 0),
            Some(false),
        );
    }

    #[test]
    fn one_constant_excludes_another() {
        check(&[(Test::Equals(1), true)], Test::Equals(2), Some(false));
        check(&[(Test::Equals(1), false)], Test::Equals(2), None);
    }
}
