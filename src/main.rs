//! The `croupier` program: the command line with the services that ship with it.

use std::process::ExitCode;

use croupier::config::Registry;

/// Large requests are read on one thread and their responses are written on another. The system's allocator does not
/// return what the first thread frees: it was seen to hold five times the memory in use.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    #[cfg(feature = "jemalloc")]
    return_freed_memory_soon();
    croupier::cli::run(Registry::standard())
}

/// Makes jemalloc return freed memory to the system after 50 ms instead of 10 s.
///
/// Each thread keeps an arena of its own; with the default, memory among hostile clients peaks a third higher. It is set
/// here and not when jemalloc is compiled, so that it holds however the program is built. `_RJEM_MALLOC_CONF` in the
/// environment has the last word: where it is set, nothing is changed.
#[cfg(feature = "jemalloc")]
fn return_freed_memory_soon() {
    use tikv_jemalloc_ctl::{Access as _, AsName as _};

    if std::env::var_os("_RJEM_MALLOC_CONF").is_some() {
        return;
    }
    // `arenas` is the default of arenas that are still to be made, `arena.0` is the one of this thread.
    let settings: [(&'static [u8], isize); 4] = [
        (b"arenas.dirty_decay_ms\0", 50),
        (b"arenas.muzzy_decay_ms\0", 0),
        (b"arena.0.dirty_decay_ms\0", 50),
        (b"arena.0.muzzy_decay_ms\0", 0),
    ];
    for (name, milliseconds) in settings {
        // An older jemalloc without the setting only uses more memory.
        let _ = name.name().write(milliseconds);
    }
}
