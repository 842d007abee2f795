//! How sessions share memory. Alone in its file: it is about the whole process.
#![cfg(target_os = "linux")]

use oriel::base::model::Samples;
use oriel::catalog::Catalog;
use oriel::infer::{Backend, Provider, RuntimeSpec, SessionSpec, Slots, find_library, load_library};
use oriel::service::plan::open_session;

/// Memory of the process that is in no file, kB.
fn anonymous() -> usize {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").expect("Linux tells");
    let line = rollup.lines().find_map(|line| line.strip_prefix("Anonymous:")).expect("a line for it");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[test]
fn sessions_work_in_the_same_memory_and_leave_none_behind() {
    load_library(&find_library(&RuntimeSpec::default()).expect("set up")).expect("a library");
    let model = Catalog::new(vec![Catalog::default_folder()]).load("oriel-gate").expect("our own model");
    let pictures = 8;
    let spec = SessionSpec { threads: 1, max_batch: pictures, provider: Provider::Cpu };
    let (zeros, none) = (vec![0.0; pictures * model.input.slot_len()], vec![0; pictures * model.input.slot_len()]);
    let open = || open_session(&model, model.input, spec).expect("it opens");
    let mut sessions = [open(), open()];
    let grows = sessions.each_mut().map(|session| {
        let before = anonymous();
        let slots = match model.input.samples {
            Samples::F32 => Slots::F32(&zeros),
            Samples::U8 => Slots::U8(&none),
        };
        session.run(slots, pictures, &mut |_, _| {}).expect("it runs");
        anonymous().saturating_sub(before)
    });
    println!("the runs took {grows:?} kB");
    assert!(grows[0] > 4000, "a batch needs memory: {grows:?}");
    assert!(4 * grows[1] < grows[0], "the second session works where the first did: {grows:?}");
    let worked = anonymous();
    drop(sessions);
    let _another = open();
    let left = anonymous();
    assert!(worked - left > grows[0] / 2, "of {grows:?} kB for batches stay {left} of {worked} kB");
}
