//! The program: one call. Everything else is in the library, where it can be tested.

/// The allocator of musl is slow when many threads allocate, and release binaries are static musl builds.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    airlock::cli::main()
}
