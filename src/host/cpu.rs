//! The CPUs that this process may use.

use std::io;
use std::thread::available_parallelism;

use rustix::thread::{CpuSet, sched_getaffinity};

/// How many threads of this process can run at the same time: CPUs that it may use, or fewer where a control group allows less time.
pub fn parallelism() -> usize {
    available_parallelism().map_or(1, usize::from)
}

/// Numbers of the CPUs that the calling thread may use.
///
/// # Errors
/// The kernel does not say, as on hosts with more than 1,024 CPUs.
pub fn cpus() -> io::Result<Vec<usize>> {
    let allowed = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|&cpu| allowed.is_set(cpu)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_cpu_to_run_on_and_no_more_threads_at_once_than_cpus() {
        let cpus = cpus().unwrap();
        assert!((1..=cpus.len()).contains(&parallelism()), "{} of {cpus:?}", parallelism());
    }
}
