//! Work that makes more work, shared by several threads.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::bits::Bits;
use super::{Object, Which};

/// Objects that a thread keeps in its list; further ones wait in a set of bits. A list is last in, first out and so short, but
/// one array of pointers can fill any.
const LISTED_OBJECTS: usize = 1 << 16;
/// Objects below which a thread gives none away: handing over costs about as much as scanning these.
const SHARED_OBJECTS: usize = 256;
/// Goroutines that are handed over at once at the start.
const GOROUTINES_PER_CHUNK: usize = 64;
/// Words of the set that are searched at once for waiting objects.
const LATE_WORDS: usize = 512;

/// Objects that are scanned together: as many reads of memory as a processor has under way at once, or a few more.
const OBJECTS_AT_ONCE: usize = 32;
/// Goroutines that are scanned together; each needs several reads.
const GOROUTINES_AT_ONCE: usize = 8;

/// Things to scan, of one kind. They are given several at once, so that who scans them can have the memory of all of them
/// fetched together: waiting for it is most of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tasks<'t> {
    Objects(&'t [Object]),
    Goroutines(&'t [Which]),
}

/// Objects and goroutines that are to be scanned.
#[derive(Debug, Default)]
struct List {
    objects: Vec<Object>,
    goroutines: Vec<Which>,
}

/// What all threads know.
struct Pool {
    threads: usize,
    shared: Mutex<Shared>,
    changed: Condvar,
    /// Threads that have nothing to do.
    hungry: AtomicUsize,
    /// Objects that no list had room for, and how many they are.
    late: Bits,
    late_count: AtomicU64,
}

#[derive(Default)]
struct Shared {
    lists: Vec<List>,
    /// Where the search for late objects goes on.
    next_late: usize,
    /// A thread has panicked: the others end too, rather than wait for it.
    broken: bool,
}

/// The work of one thread.
pub(super) struct Queue<'a> {
    list: List,
    pool: &'a Pool,
}

/// Does `first`, then `step` for all of `goroutines` and for everything that is pushed meanwhile, on so many threads and in
/// no order. `objects` is one more than the largest number of an object. Each thread has an `S` for its steps to work with.
pub(super) fn run<S: Default>(
    threads: usize,
    objects: u32,
    goroutines: &[Which],
    first: impl FnOnce(&mut S, &mut Queue<'_>),
    step: impl Fn(&mut S, Tasks<'_>, &mut Queue<'_>) + Sync,
) {
    let lists = goroutines
        .chunks(GOROUTINES_PER_CHUNK)
        .rev()
        .map(|chunk| List {
            objects: Vec::new(),
            goroutines: chunk.iter().rev().copied().collect(),
        });
    let shared = Shared {
        lists: lists.collect(),
        ..Shared::default()
    };
    let pool = Pool {
        threads: threads.max(1),
        shared: Mutex::new(shared),
        changed: Condvar::new(),
        hungry: AtomicUsize::new(0),
        late: Bits::new(objects),
        late_count: AtomicU64::new(0),
    };
    let (pool, step) = (&pool, &step);
    std::thread::scope(|scope| {
        for _ in 1..pool.threads {
            scope.spawn(|| Queue::new(pool).work(&mut S::default(), step));
        }
        let (mut queue, mut state) = (Queue::new(pool), S::default());
        first(&mut state, &mut queue);
        queue.work(&mut state, step);
    });
}

/// Does `step` for every number below `count` on so many threads, each adding up what it found in an `A`.
pub(crate) fn each<A: Default + Send>(
    threads: usize,
    count: usize,
    step: impl Fn(&mut A, usize) + Sync,
) -> Vec<A> {
    let next = AtomicUsize::new(0);
    let all = || {
        let mut sum = A::default();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return sum;
            }
            step(&mut sum, number);
        }
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(all)).collect();
        let mut sums = vec![all()];
        for other in others {
            match other.join() {
                Ok(sum) => sums.push(sum),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        sums
    })
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> Queue<'a> {
    fn new(pool: &'a Pool) -> Self {
        let list = List::default();
        Self { list, pool }
    }

    /// An object is to be scanned.
    pub(super) fn push(&mut self, object: Object) {
        if self.list.objects.len() >= LISTED_OBJECTS {
            let new = self.pool.late.add(object.0);
            self.pool
                .late_count
                .fetch_add(new.into(), Ordering::Relaxed);
        } else {
            self.list.objects.push(object);
        }
        if self.list.objects.len() >= SHARED_OBJECTS {
            self.offer();
        }
    }

    /// A goroutine is to be scanned.
    pub(super) fn push_goroutine(&mut self, which: Which) {
        self.list.goroutines.push(which);
        self.offer();
    }

    /// Gives half of the work to a thread that has none.
    fn offer(&mut self) {
        let pool = self.pool;
        if pool.hungry.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut shared = pool.lock();
        // One that waits takes one list: with as many lists as there are such, nobody needs another.
        if shared.lists.len() >= pool.hungry.load(Ordering::Relaxed) {
            return;
        }
        let List {
            objects,
            goroutines,
        } = &mut self.list;
        let half = List {
            objects: objects.drain(..objects.len() / 2).collect(),
            goroutines: goroutines.drain(..goroutines.len() / 2).collect(),
        };
        if !half.objects.is_empty() || !half.goroutines.is_empty() {
            shared.lists.push(half);
            pool.changed.notify_one();
        }
    }

    fn work<S>(
        mut self,
        state: &mut S,
        step: &(impl Fn(&mut S, Tasks<'_>, &mut Queue<'_>) + Sync),
    ) {
        let _guard = Guard(self.pool);
        let (mut objects, mut goroutines) = (Vec::new(), Vec::new());
        loop {
            if take_last(&mut self.list.objects, OBJECTS_AT_ONCE, &mut objects) {
                step(state, Tasks::Objects(&objects), &mut self);
            } else if take_last(
                &mut self.list.goroutines,
                GOROUTINES_AT_ONCE,
                &mut goroutines,
            ) {
                // Many may have been woken at once, and none of them reach much.
                if self.list.goroutines.len() >= GOROUTINES_PER_CHUNK {
                    self.offer();
                }
                step(state, Tasks::Goroutines(&goroutines), &mut self);
            } else if !self.refill() {
                return;
            }
        }
    }

    /// Waits for work; `false` once there is none anywhere.
    fn refill(&mut self) -> bool {
        let pool = self.pool;
        let mut shared = pool.lock();
        loop {
            if shared.broken {
                return false;
            }
            if let Some(list) = shared.lists.pop() {
                self.list = list;
                return true;
            }
            if pool.late_count.load(Ordering::Relaxed) > 0 {
                let from = shared.next_late;
                let past = from.saturating_add(LATE_WORDS);
                shared.next_late = if past < pool.late.words() { past } else { 0 };
                drop(shared);
                if self.take_late(from, past) {
                    return true;
                }
                shared = pool.lock();
                continue;
            }
            let hungry = pool.hungry.fetch_add(1, Ordering::Relaxed) + 1;
            if hungry >= pool.threads {
                // The count stays: whoever wakes up sees that all are.
                pool.changed.notify_all();
                return false;
            }
            shared = pool
                .changed
                .wait(shared)
                .unwrap_or_else(PoisonError::into_inner);
            if pool.hungry.load(Ordering::Relaxed) >= pool.threads {
                return false;
            }
            pool.hungry.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Takes what waits in some words of the set; whether there was any.
    fn take_late(&mut self, from: usize, past: usize) -> bool {
        let objects = &mut self.list.objects;
        for word in from..past.min(self.pool.late.words()) {
            objects.extend(self.pool.late.take(word).map(Object));
        }
        let taken = objects.len() as u64;
        self.pool.late_count.fetch_sub(taken, Ordering::Relaxed);
        taken > 0
    }
}

/// Moves as many as there are of the last ones, up to a number, to where nothing else is then; whether there were any.
fn take_last<T>(from: &mut Vec<T>, most: usize, into: &mut Vec<T>) -> bool {
    into.clear();
    into.extend(from.drain(from.len().saturating_sub(most)..));
    !into.is_empty()
}

/// Lets the other threads end when one panics.
struct Guard<'a>(&'a Pool);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.lock().broken = true;
            self.0.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Object n makes 2n and 2n+1, goroutine n makes object n: everything below `objects` is done once, by however many.
    fn check(threads: usize, objects: u32, goroutines: u32) {
        let (seen, scanned) = (Bits::new(objects), AtomicU64::new(0));
        let add = |number: u32, queue: &mut Queue<'_>| {
            if number < objects && seen.add(number) {
                queue.push(Object(number));
            }
        };
        let roots: Vec<Which> = (0..goroutines).map(Which).collect();
        let first = |(): &mut (), queue: &mut Queue<'_>| add(1, queue);
        run(
            threads,
            objects,
            &roots,
            first,
            |(), tasks, queue| match tasks {
                Tasks::Objects(all) => all.iter().for_each(|Object(number)| {
                    scanned.fetch_add(1, Ordering::Relaxed);
                    add(number.saturating_mul(2), queue);
                    add(number.saturating_mul(2) + 1, queue);
                }),
                Tasks::Goroutines(all) => all.iter().for_each(|Which(number)| add(*number, queue)),
            },
        );
        // 0 has no maker but goroutine 0.
        let expected = u64::from(objects) - u64::from(goroutines == 0);
        assert_eq!(
            scanned.into_inner(),
            expected,
            "{threads} threads, {objects} objects"
        );
    }

    #[test]
    fn everything_is_done_once() {
        for threads in [1, 2, 5] {
            check(threads, 2, 0);
            check(threads, 10_000, 0);
            check(threads, 20_000, 2000);
        }
    }

    #[test]
    fn lists_that_overflow_wait_in_a_set() {
        let objects = 3 * LISTED_OBJECTS as u32;
        for threads in [1, 3] {
            let scanned = Bits::new(objects);
            let first = |(): &mut (), queue: &mut Queue<'_>| {
                (0..objects).for_each(|it| queue.push(Object(it)));
            };
            run(threads, objects, &[], first, |(), tasks, queue| {
                let Tasks::Objects(all) = tasks else { return };
                for object in all {
                    assert!(scanned.add(object.0), "{object:?} twice");
                }
                assert!(queue.list.objects.capacity() <= 4 * LISTED_OBJECTS);
            });
            assert_eq!(scanned.count(0..objects), u64::from(objects));
        }
    }

    #[test]
    fn numbers_are_shared_out() {
        for threads in [1, 2, 4] {
            let sums = each(threads, 1000, |sum: &mut u64, number| *sum += number as u64);
            assert_eq!(sums.iter().sum::<u64>(), 499_500);
        }
        assert_eq!(each(2, 0, |(), _| {}), [(), ()]);
    }
}
