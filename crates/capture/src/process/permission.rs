//! Why the kernel refuses to let one process look into another, and how the right is got.

use std::fmt;

use super::Pid;
use super::procfs::{self, Process, Status};

/// Lets its holder trace any process of its user namespace.
const CAP_SYS_PTRACE: u64 = 1 << 19;
/// `Seccomp:` of a process under filters.
const FILTERED: u8 = 2;

/// One thing that stands in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// Only one process can trace another.
    Traced {
        /// Who does.
        tracer: Pid,
    },
    /// The target runs as somebody else.
    OtherUser {
        /// The target's real user.
        theirs: u32,
        /// Ours.
        ours: u32,
    },
    /// Yama restricts tracing to descendants (1), to `CAP_SYS_PTRACE` (2), or forbids it to all (3).
    PtraceScope(u8),
    /// A seccomp filter is on this program, as container runtimes set one; it may forbid the calls.
    Seccomp,
    /// The same user, and still not: the target changed its user or has capabilities, so it is closed to its own user.
    NotDumpable,
    /// `CAP_SYS_PTRACE` is there, and still not: a security module, or the target is in an outer user namespace.
    SecurityModule,
    /// It is this program.
    Own,
}

/// All that stands in the way; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Denied(pub(super) Vec<Obstacle>);

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, obstacle) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            match obstacle {
                Obstacle::Traced { tracer } => {
                    write!(f, "it is being traced by process {tracer} already")?;
                }
                Obstacle::OtherUser { theirs, ours } => write!(
                    f,
                    "it runs as user {theirs}, gorphan as user {ours} without CAP_SYS_PTRACE"
                )?,
                Obstacle::PtraceScope(3) => {
                    f.write_str("kernel.yama.ptrace_scope is 3, which forbids tracing to all")?;
                }
                Obstacle::PtraceScope(2) => f.write_str(
                    "kernel.yama.ptrace_scope is 2, which demands CAP_SYS_PTRACE, and gorphan lacks it",
                )?,
                Obstacle::PtraceScope(value) => write!(
                    f,
                    "kernel.yama.ptrace_scope is {value}, which allows only a process's ancestors and CAP_SYS_PTRACE, and \
                     gorphan lacks it"
                )?,
                Obstacle::Seccomp => f.write_str(
                    "gorphan runs under a seccomp filter, which may forbid ptrace or process_vm_readv",
                )?,
                Obstacle::NotDumpable => f.write_str(
                    "it changed its user or holds capabilities, which closes it to its own user, and gorphan lacks \
                     CAP_SYS_PTRACE",
                )?,
                Obstacle::SecurityModule => f.write_str(
                    "gorphan has CAP_SYS_PTRACE and the kernel refuses all the same: a security module (AppArmor, SELinux) \
                     or the boundary of a user namespace",
                )?,
                Obstacle::Own => f.write_str("it is gorphan itself")?,
            }
        }
        Ok(())
    }
}

impl Denied {
    /// What to try.
    pub(super) fn advice(&self) -> String {
        let has = |wanted: &dyn Fn(&Obstacle) -> bool| self.0.iter().any(wanted);
        if has(&|it| matches!(it, Obstacle::Own)) {
            return "give the number of another process".into();
        }
        if has(&|it| matches!(it, Obstacle::Traced { .. })) {
            return "end the debugger or tracer (gdb, dlv, strace) that holds it, and try again"
                .into();
        }
        if has(&|it| matches!(it, Obstacle::PtraceScope(3))) {
            return "scope 3 lasts until the next boot; meanwhile inspect a core file (gorphan inspect CORE --exe BINARY) or \
                    the program's pprof endpoint"
                .into();
        }
        let mut ways = vec![
            "run gorphan with sudo, or once: sudo setcap cap_sys_ptrace+ep $(command -v gorphan)"
                .to_owned(),
        ];
        if has(&|it| matches!(it, Obstacle::PtraceScope(1))) {
            ways.push(
                "for all programs until the next boot: sudo sysctl kernel.yama.ptrace_scope=0"
                    .into(),
            );
        }
        ways.push(
            "in Docker: docker run --pid=container:TARGET --cap-add SYS_PTRACE, as the target's user or root".into(),
        );
        ways.push(
            "in Kubernetes: kubectl debug POD --target=CONTAINER --profile=sysadmin, or a container with \
             securityContext.capabilities.add [SYS_PTRACE] in a pod with shareProcessNamespace: true"
                .into(),
        );
        if has(&|it| matches!(it, Obstacle::Seccomp)) {
            ways.push("if the filter is what forbids it: --security-opt seccomp=unconfined".into());
        }
        if has(&|it| matches!(it, Obstacle::SecurityModule)) {
            ways.push("look into the kernel's log (dmesg, audit) for the module's reason".into());
        }
        ways.join("\n")
    }
}

/// What is known before the kernel is asked: a process has one tracer, which this program itself is of those it started.
pub(super) fn check(process: &Process, status: &Status) -> Result<(), Denied> {
    if process.pid == std::process::id() {
        return Err(Denied(vec![Obstacle::Own]));
    }
    if status.tracer != 0 && status.tracer != std::process::id() {
        return Err(Denied(vec![Obstacle::Traced {
            tracer: status.tracer,
        }]));
    }
    Ok(())
}

/// Why the kernel refused.
pub(super) fn explain(target: &Status) -> Denied {
    let own = Process::own().and_then(|own| own.status());
    Denied(obstacles(
        &own.unwrap_or_default(),
        target,
        procfs::ptrace_scope(),
    ))
}

/// The kernel's rules in its own order: user and group, dumpable, then the security modules.
fn obstacles(own: &Status, target: &Status, scope: Option<u8>) -> Vec<Obstacle> {
    if target.tracer != 0 {
        return vec![Obstacle::Traced {
            tracer: target.tracer,
        }];
    }
    let mut found = Vec::new();
    let capable = own.capabilities & CAP_SYS_PTRACE != 0;
    let ours = own.uids.first().copied().unwrap_or_default();
    let our_group = own.gids.first().copied().unwrap_or_default();
    // The fourth, of the file system, is not compared.
    let same = |theirs: &[u32], ours: u32| theirs.iter().take(3).all(|theirs| *theirs == ours);
    let scope = scope.filter(|scope| *scope > 0);
    if scope == Some(3) {
        found.push(Obstacle::PtraceScope(3));
    } else if !capable {
        let same_user = same(&target.uids, ours) && same(&target.gids, our_group);
        if !same_user {
            found.push(Obstacle::OtherUser {
                theirs: target.uids.first().copied().unwrap_or_default(),
                ours,
            });
        }
        found.extend(scope.map(Obstacle::PtraceScope));
        if same_user && scope.is_none() && own.seccomp != FILTERED {
            found.push(Obstacle::NotDumpable);
        }
    }
    if own.seccomp == FILTERED {
        found.push(Obstacle::Seccomp);
    }
    if found.is_empty() {
        found.push(Obstacle::SecurityModule);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(own: &Status, target: &Status, scope: Option<u8>, expected: &[Obstacle]) {
        assert_eq!(obstacles(own, target, scope), expected);
        assert!(!Denied(expected.to_vec()).advice().is_empty());
    }

    fn user(uid: u32) -> Status {
        Status {
            uids: vec![uid; 4],
            gids: vec![uid; 4],
            ..Status::default()
        }
    }

    #[test]
    fn each_rule_of_the_kernel_is_named() {
        let capable = Status {
            capabilities: CAP_SYS_PTRACE,
            ..user(0)
        };
        let filtered = Status {
            seccomp: FILTERED,
            ..user(0)
        };
        let other = Obstacle::OtherUser { theirs: 0, ours: 7 };
        check(&user(7), &user(0), Some(0), std::slice::from_ref(&other));
        check(
            &user(7),
            &user(0),
            Some(1),
            &[other, Obstacle::PtraceScope(1)],
        );
        check(&user(7), &user(7), Some(1), &[Obstacle::PtraceScope(1)]);
        check(&user(7), &user(7), Some(2), &[Obstacle::PtraceScope(2)]);
        check(&user(7), &user(7), None, &[Obstacle::NotDumpable]);
        check(&capable, &user(7), Some(3), &[Obstacle::PtraceScope(3)]);
        check(&capable, &user(7), Some(1), &[Obstacle::SecurityModule]);
        check(&filtered, &user(0), None, &[Obstacle::Seccomp]);
        let traced = Status {
            tracer: 9,
            ..user(7)
        };
        check(
            &capable,
            &traced,
            Some(1),
            &[Obstacle::Traced { tracer: 9 }],
        );
    }
}
