//! How the process holds memory. Alone in its file: it is about the whole process.
#![cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]

use std::sync::Barrier;

/// glibc's pools beside the first begin at multiples of 64 MB.
fn pools() -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("Linux tells");
    let begins = |line: &str| {
        let (range, rest) = line.split_once(' ')?;
        let begin = usize::from_str_radix(range.split_once('-')?.0, 16).ok()?;
        (rest.starts_with("rw-p") && rest.trim_end().ends_with(" 0") && begin % (64 << 20) == 0).then_some(())
    };
    maps.lines().filter_map(begins).count()
}

#[test]
fn many_threads_share_few_pools_of_memory() {
    oriel::system::few_memory_pools();
    let threads = 6 * oriel::system::cores();
    let barrier = Barrier::new(threads + 1);
    let pools = std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let held = std::hint::black_box(vec![1u8; 10_000]);
                barrier.wait();
                barrier.wait();
                drop(held);
            });
        }
        barrier.wait();
        let pools = pools();
        barrier.wait();
        pools
    });
    // The test's own thread may have had one before.
    assert!((1..=oriel::system::cores() + 1).contains(&pools), "{pools} pools for {threads} threads");
}
