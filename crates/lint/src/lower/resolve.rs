//! Whom calls of function values and interfaces call.
//!
//! What a place may be says whom a call of it calls; a call that is bound lets further values flow. So sets and targets are
//! found in rounds until nothing is new.

use super::{Lower, Map};
use crate::ir::{Aliases, CallId, Callee, FuncId, ObjectKind};
use crate::summary::Targets;

/// Rounds of solving. Each reaches through one more level of functions that take functions; real code needs three.
const MAX_ROUNDS: u32 = 8;

impl Lower<'_, '_> {
    /// Solves the flow of values, and gives the targets of all calls.
    pub(super) fn resolve(&mut self) -> Vec<Targets> {
        let mut targets: Vec<Targets> = self
            .ir
            .calls
            .iter()
            .map(|call| Targets {
                funcs: match call.callee {
                    Callee::Func(func) => vec![func],
                    _ => Vec::new(),
                },
                is_open: matches!(call.callee, Callee::Unknown(_)),
            })
            .collect();
        self.bind_interfaces(&mut targets);
        let mut opened: Map<FuncId, ()> = Map::default();
        let mut is_done = false;
        for _ in 0..MAX_ROUNDS {
            let counts = (
                self.ir.vars.len(),
                self.ir.fields.len(),
                self.ir.objects.len(),
            );
            self.ir.aliases = self.flow.solve(counts.0, counts.1, counts.2);
            let changed = self.bind_values(&mut targets) | self.open_escaped(&mut opened);
            if !changed {
                is_done = true;
                break;
            }
        }
        if !is_done {
            for call in &self.open_calls {
                if let Some(targets) = targets.get_mut(call.index()) {
                    targets.is_open = true;
                }
            }
        }
        targets
    }

    fn bind_interfaces(&mut self, targets: &mut [Targets]) {
        for id in self.open_calls.clone() {
            let call = self.ir[id].clone();
            let Callee::Interface(method) = call.callee else {
                continue;
            };
            let (funcs, is_complete) = {
                let method = &self.ir[method];
                let is_complete = method.is_complete || method.is_harmless;
                (method.implementations.clone(), is_complete)
            };
            for func in &funcs {
                self.bind(&call, *func);
            }
            if !is_complete {
                self.bind_outside(&call, self.call_span(id));
            } else if funcs.is_empty() {
                for to in call.results.iter().flatten() {
                    let to = self.node(*to);
                    self.admit(to);
                }
            }
            if let Some(targets) = targets.get_mut(id.index()) {
                *targets = Targets {
                    funcs,
                    is_open: !is_complete,
                };
            }
        }
    }

    fn call_span(&self, id: CallId) -> crate::syntax::Span {
        self.call_sites
            .get(id.index())
            .map(|site| site.span)
            .unwrap_or_default()
    }

    /// Binds calls of function values to what these may be now.
    fn bind_values(&mut self, targets: &mut [Targets]) -> bool {
        let mut changed = false;
        for id in self.open_calls.clone() {
            let Callee::Value(place) = self.ir[id].callee else {
                continue;
            };
            let node = self.node(place);
            let objects = self.ir.aliases.at_node(node);
            let funcs: Vec<FuncId> = objects
                .iter()
                .filter_map(|object| match self.ir[*object].kind {
                    ObjectKind::Func(func) => Some(func),
                    _ => None,
                })
                .collect();
            // Where nothing is, what is there was not seen.
            let is_open = objects.is_empty() || objects.contains(&Aliases::OUTSIDE);
            let Some(known) = targets.get_mut(id.index()) else {
                continue;
            };
            let opens = is_open && !known.is_open;
            known.is_open |= is_open;
            let fresh: Vec<FuncId> = funcs
                .into_iter()
                .filter(|func| !known.funcs.contains(func))
                .collect();
            known.funcs.extend(&fresh);
            changed |= opens || !fresh.is_empty();
            if fresh.is_empty() && !opens {
                continue;
            }
            let call = self.ir[id].clone();
            for func in fresh {
                self.bind(&call, func);
            }
            if opens {
                self.bind_outside(&call, self.call_span(id));
            }
        }
        changed
    }

    /// Functions that got out may be called by anybody with anything.
    fn open_escaped(&mut self, opened: &mut Map<FuncId, ()>) -> bool {
        let mut escaped: Vec<FuncId> = Vec::new();
        for (func, object) in &self.func_objects {
            let is_out = self.ir.aliases.escape(*object).is_some();
            if is_out && !opened.contains_key(func) {
                escaped.push(*func);
            }
        }
        escaped.sort_unstable();
        for func in &escaped {
            opened.insert(*func, ());
            self.open_function(*func);
        }
        !escaped.is_empty()
    }
}
