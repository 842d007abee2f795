//! The only module that asks the operating system what this process uses and what machine it runs on. Clocks of CPU time are
//! handed to the floors below as plain functions.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// CPU time that the calling thread has used.
pub fn thread_cpu() -> Duration {
    read(ClockId::ThreadCPUTime)
}

/// CPU time that all threads of this process have used, user and system.
pub fn process_cpu() -> Duration {
    read(ClockId::ProcessCPUTime)
}

fn read(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

/// Cores that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Memory of this process in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    /// In RAM now.
    pub resident: u64,
    /// The most that was ever in RAM.
    pub peak: u64,
}

/// From `/proc/self/status`; zeros where there is none.
pub fn memory() -> Memory {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    Memory { resident: field(&status, "VmRSS:"), peak: field(&status, "VmHWM:") }
}

fn field(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// Starts the peak anew, where the system lets it be.
pub fn forget_peak() {
    // Linux: 5 sets VmHWM to VmRSS. Elsewhere the peak is that of the whole life, which is no harm.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// Gives memory that was freed back to the system. What models need while they are opened is several times what they need
/// then, and glibc keeps it for later.
pub fn give_memory_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        unsafe extern "C" {
            fn malloc_trim(pad: usize) -> std::ffi::c_int;
        }
        // SAFETY: glibc's malloc_trim takes its own locks, may be called at any time and touches only what was freed.
        unsafe { malloc_trim(0) };
    }
}

/// One pool of memory a core from now on, unless `MALLOC_ARENA_MAX` says otherwise. glibc has eight a core, and threads that
/// come and go leave holes in each of them: a process grows by megabytes an hour though it does not use more.
///
/// To be called before the first thread starts; a later call changes nothing for threads that have a pool already.
pub fn few_memory_pools() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        unsafe extern "C" {
            fn mallopt(param: std::ffi::c_int, value: std::ffi::c_int) -> std::ffi::c_int;
        }
        /// `M_ARENA_MAX` of glibc's malloc.h.
        const ARENA_MAX: std::ffi::c_int = -8;
        if std::env::var_os("MALLOC_ARENA_MAX").is_none() {
            // SAFETY: glibc's mallopt may be called at any time with any number; it says 0 where it does not know the parameter.
            unsafe { mallopt(ARENA_MAX, cores().try_into().unwrap_or(std::ffi::c_int::MAX)) };
        }
    }
}

/// What measurements were made on.
#[derive(Debug, Clone)]
pub struct Machine {
    pub cpu: String,
    pub cores: usize,
    pub architecture: &'static str,
    pub memory_bytes: u64,
    /// Load average of the last minute when this was read: other work on the machine makes timings worthless.
    pub load: f64,
}

pub fn machine() -> Machine {
    let text = |path| std::fs::read_to_string(path).unwrap_or_default();
    let (cpus, memory, load) = (text("/proc/cpuinfo"), text("/proc/meminfo"), text("/proc/loadavg"));
    let cpu = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    Machine {
        cpu: cpu.map_or("unknown", |(_, name)| name.trim()).to_owned(),
        cores: cores(),
        architecture: std::env::consts::ARCH,
        memory_bytes: field(&memory, "MemTotal:"),
        load: load.split_whitespace().next().and_then(|load| load.parse().ok()).unwrap_or(0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_shows_on_both_clocks() {
        let (thread, process) = (thread_cpu(), process_cpu());
        let mut sum = 0u64;
        while thread_cpu() == thread {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(process_cpu() > process);
    }

    #[test]
    fn memory_is_in_bytes() {
        let Memory { resident, peak } = memory();
        assert!(peak >= resident && resident > 1 << 20, "{resident} of {peak}");
        assert_eq!(field("VmPeak:\t 7 kB\nVmRSS:\t  12 kB\n", "VmRSS:"), 12 * 1024);
    }
}
