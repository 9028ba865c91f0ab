//! Several threads at one work.

/// Calls `work` on this thread, and with it on others where there `is_much` to do and processors to do it; returns when all of
/// them have returned. What they do, and who takes what, is for `work` to share out.
pub(crate) fn at_work(is_much: bool, work: impl Fn() + Copy + Send) {
    let threads = if is_much {
        std::thread::available_parallelism().map_or(1, usize::from).min(8)
    } else {
        1
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
}
