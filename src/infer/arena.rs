//! One arena of the CPU for all sessions of the process. Each session's own one grows by powers of two: two workers with
//! YOLOX-nano hold 17 MB that nobody uses. This one grows by what is asked for, and gives back what sessions that are gone, such
//! as those of the probe at start, have left whenever another one is opened.

use ort::AsPointer;
use ort::environment::Environment;
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use ort::session::RunOptions;
use ort::sys::OrtArenaCfg;

/// ONNX Runtime's default: no limit, no size of first chunk, no limit of what a chunk may waste.
const NO_LIMIT: usize = 0;
const DEFAULT: i32 = -1;
/// `kSameAsRequested` of `ArenaExtendStrategy`; 0 is the next power of two.
const AS_REQUESTED: i32 = 1;

/// Gives the environment such an arena; sessions opened with `with_env_allocators` use it. Once per environment.
pub(super) fn share(environment: &Environment) -> Result<(), ort::Error> {
    let memory = MemoryInfo::new(AllocationDevice::CPU, 0, AllocatorType::Arena, MemoryType::Default)?;
    let api = ort::api();
    let mut settings: *mut OrtArenaCfg = std::ptr::null_mut();
    // SAFETY: the functions of the loaded library, which `environment` shows to be there, get what they ask for: pointers that `ort`
    // keeps valid and a place for one. The settings are copied by the second call and released after it, once.
    unsafe {
        let made = (api.CreateArenaCfg)(NO_LIMIT, AS_REQUESTED, DEFAULT, DEFAULT, &mut settings);
        ort::Error::result_from_status(made)?;
        let registered = (api.CreateAndRegisterAllocator)(environment.ptr().cast_mut(), memory.ptr(), settings);
        (api.ReleaseArenaCfg)(settings);
        ort::Error::result_from_status(registered)
    }
}

/// Options of a run after which the arena gives back what nobody uses. Takes its time: not for every run.
pub(super) fn tidying() -> Result<RunOptions, ort::Error> {
    let mut options = RunOptions::new()?;
    options.set("memory.enable_memory_arena_shrinkage", "cpu:0")?;
    Ok(options)
}
