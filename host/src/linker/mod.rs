//! What a component may import. What is not here does not exist for it: no
//! sockets, no outbound HTTP, no files but the journal's directory.

mod files;
mod metered;
mod open_files;

pub(crate) use open_files::OpenFiles;

use crate::state::State;
use wasmtime::component::{HasData, Linker, ResourceTable};
use wasmtime::{Engine, Result};
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p3::bindings::filesystem::types;
use wasmtime_wasi::random::{WasiRandom, WasiRandomView};
use wasmtime_wasi_http::{WasiHttp, WasiHttpView};

/// Every interface the component may import, without its patch version. The 0.2
/// ones are what Rust's standard library binds on `wasm32-wasip2`.
pub const ALLOWED_IMPORTS: &[&str] = &[
    "wasi:cli/environment@0.2",
    "wasi:cli/environment@0.3",
    "wasi:cli/exit@0.2",
    "wasi:cli/stderr@0.2",
    "wasi:cli/stderr@0.3",
    "wasi:cli/stdin@0.2",
    "wasi:cli/stdout@0.2",
    "wasi:cli/terminal-input@0.2",
    "wasi:cli/terminal-output@0.2",
    "wasi:cli/terminal-stderr@0.2",
    "wasi:cli/terminal-stdin@0.2",
    "wasi:cli/terminal-stdout@0.2",
    "wasi:cli/types@0.3",
    "wasi:clocks/monotonic-clock@0.2",
    "wasi:clocks/monotonic-clock@0.3",
    "wasi:clocks/system-clock@0.3",
    "wasi:clocks/types@0.3",
    "wasi:clocks/wall-clock@0.2",
    "wasi:filesystem/preopens@0.3",
    "wasi:filesystem/types@0.3",
    "wasi:http/types@0.3",
    "wasi:io/error@0.2",
    "wasi:io/poll@0.2",
    "wasi:io/streams@0.2",
    "wasi:random/insecure-seed@0.2",
    "wasi:random/random@0.3",
];

/// Whether an import is on the list, in any patch version.
#[cfg(test)]
pub(crate) fn is_allowed(import: &str) -> bool {
    ALLOWED_IMPORTS.iter().any(|allowed| {
        import
            .strip_prefix(allowed)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

/// A linker with the interfaces of [`ALLOWED_IMPORTS`] and no other.
///
/// # Errors
///
/// Where two definitions collide, which no configuration can bring about.
pub(crate) fn linker(engine: &Engine) -> Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    link_0_2(&mut linker)?;
    link_0_3(&mut linker)?;
    Ok(linker)
}

fn link_0_2(linker: &mut Linker<State>) -> Result<()> {
    use wasmtime_wasi::p2::bindings::{cli, clocks, random};
    use wasmtime_wasi_io::bindings::wasi::io;
    clocks::monotonic_clock::add_to_linker::<_, WasiClocks>(linker, State::clocks)?;
    clocks::wall_clock::add_to_linker::<_, WasiClocks>(linker, State::clocks)?;
    random::insecure_seed::add_to_linker::<_, WasiRandom>(linker, State::random)?;
    io::error::add_to_linker::<_, Table>(linker, State::table)?;
    io::poll::add_to_linker::<_, Table>(linker, State::table)?;
    io::streams::add_to_linker::<_, Table>(linker, State::table)?;
    cli::environment::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    cli::exit::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    cli::stdin::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    cli::stdout::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    cli::stderr::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    cli::terminal_input::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    cli::terminal_output::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    cli::terminal_stdin::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    cli::terminal_stdout::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    cli::terminal_stderr::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    Ok(())
}

fn link_0_3(linker: &mut Linker<State>) -> Result<()> {
    use wasmtime_wasi::p3::bindings::{cli, clocks, filesystem, random};
    cli::environment::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    cli::stderr::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    clocks::monotonic_clock::add_to_linker::<_, WasiClocks>(linker, State::clocks)?;
    clocks::system_clock::add_to_linker::<_, WasiClocks>(linker, State::clocks)?;
    random::random::add_to_linker::<_, WasiRandom>(linker, State::random)?;
    filesystem::preopens::add_to_linker::<_, WasiFilesystem>(linker, State::filesystem)?;
    types::add_to_linker::<_, WasiFilesystem>(linker, State::filesystem)?;
    linker.allow_shadowing(true);
    files::link(linker)?;
    metered::link(linker)?;
    linker.allow_shadowing(false);
    wasmtime_wasi_http::p3::bindings::http::types::add_to_linker::<_, WasiHttp>(linker, State::http)
}

/// Selects the table of a [`State`] as what `wasi:io` works on.
struct Table;

impl HasData for Table {
    type Data<'a> = &'a mut ResourceTable;
}
