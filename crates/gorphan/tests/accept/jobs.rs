//! Work for several threads.

use std::sync::Mutex;
use std::thread;

/// Programs that run at a time: most of them wait, and the rest is to compete for processors.
const WORKERS: usize = 3;

/// Does all jobs and gives the results in their order.
pub(crate) fn each<J: Send + Sync, R: Send>(jobs: &[J], work: impl Fn(&J) -> R + Sync) -> Vec<R> {
    let next = Mutex::new(jobs.iter().enumerate());
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let job = next.lock().expect("not poisoned").next();
                    let Some((index, job)) = job else {
                        return;
                    };
                    let result = work(job);
                    done.lock().expect("not poisoned").push((index, result));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("not poisoned");
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}
