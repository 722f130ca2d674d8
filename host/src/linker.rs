//! What a component may import. What is not here does not exist for it: no
//! sockets, no outbound HTTP, no files but the journal's directory.

use crate::state::State;
use rustix::fs::{FileType, Mode, OFlags};
use wasmtime::component::{
    Accessor, FutureReader, HasData, Linker, Resource, ResourceTable, StreamReader,
};
use wasmtime::{Engine, Result, StoreContextMut};
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p3::bindings::filesystem::types::{
    self, DescriptorFlags, DescriptorType, DirectoryEntry, ErrorCode, HostDescriptorWithStore,
    OpenFlags, PathFlags,
};
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

/// Names of files whose I/O is done on the worker's own thread: journals, and
/// segments in the making.
const INLINE_SUFFIXES: [&str; 2] = [".jnl", ".tmp"];

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
    journal_io(linker)?;
    wasmtime_wasi_http::p3::bindings::http::types::add_to_linker::<_, WasiHttp>(linker, State::http)
}

/// Selects the table of a [`State`] as what `wasi:io` works on.
struct Table;

impl HasData for Table {
    type Data<'a> = &'a mut ResourceTable;
}

type Opened = (std::result::Result<Resource<Descriptor>, ErrorCode>,);
type Synced = (std::result::Result<(), ErrorCode>,);

/// Changes where the I/O of journals and of segments in the making happens.
///
/// An append to either is a copy into the page cache: on the worker's own thread
/// it costs a fraction of a hop to another thread, and is not cut into pieces of
/// 8 KiB, each of which would wait for its turn between batches of reports.
/// Everything else may wait for the disk, and so never happens there: other
/// files, and the sync of these.
fn journal_io(linker: &mut Linker<State>) -> Result<()> {
    linker.allow_shadowing(true);
    let mut interface = linker.instance("wasi:filesystem/types@0.3.0")?;
    interface.func_wrap_concurrent(
        "[method]descriptor.open-at",
        |store: &Accessor<State>, (fd, path_flags, path, open_flags, flags)| {
            Box::pin(open_at(store, fd, path_flags, path, open_flags, flags))
        },
    )?;
    interface.func_wrap_concurrent(
        "[method]descriptor.sync-data",
        |store: &Accessor<State>, (fd,)| Box::pin(sync_data(store, fd)),
    )?;
    interface.func_wrap(
        "[method]descriptor.read-directory",
        |store: StoreContextMut<'_, State>, (fd,)| read_directory(store, &fd),
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

type Listing = (StreamReader<DirectoryEntry>, FutureReader<ListingEnd>);
type ListingEnd = std::result::Result<(), ErrorCode>;

/// Lists a directory in one go. The runtime's own listing ends at the first name
/// that is not UTF-8, and where an entry vanishes meanwhile; this one leaves out
/// what the component could not name, and asks no entry for its metadata.
fn read_directory(
    mut store: StoreContextMut<'_, State>,
    fd: &Resource<Descriptor>,
) -> Result<(Listing,)> {
    let listed = match store.data_mut().table().get(fd)? {
        Descriptor::Dir(dir) => entries(&dir.dir).map_err(ErrorCode::from),
        Descriptor::File(_) => Err(ErrorCode::NotDirectory),
    };
    let (entries, end) = match listed {
        Ok(entries) => (entries, Ok(())),
        Err(code) => (Vec::new(), Err(code)),
    };
    let stream = StreamReader::new(&mut store, entries)?;
    let end = FutureReader::new(&mut store, async { wasmtime::error::Ok(end) })?;
    Ok(((stream, end),))
}

fn entries(directory: &std::fs::File) -> std::io::Result<Vec<DirectoryEntry>> {
    // A preopened directory may be a mere path (`O_PATH`), which lists nothing.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let listed = rustix::fs::openat(directory, ".", flags, Mode::empty())?;
    let mut entries = Vec::new();
    for entry in rustix::fs::Dir::new(listed)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().to_str() else {
            continue;
        };
        if name == "." || name == ".." {
            continue;
        }
        let file_type = match entry.file_type() {
            // Some file systems do not say; a link is not followed.
            FileType::Unknown => {
                let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
                match rustix::fs::statat(directory, entry.file_name(), flags) {
                    Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                    Err(rustix::io::Errno::NOENT) => continue,
                    Err(error) => return Err(error.into()),
                }
            }
            known => known,
        };
        let type_ = match file_type {
            FileType::RegularFile => DescriptorType::RegularFile,
            FileType::Directory => DescriptorType::Directory,
            FileType::Symlink => DescriptorType::SymbolicLink,
            FileType::Fifo => DescriptorType::Fifo,
            FileType::Socket => DescriptorType::Socket,
            FileType::CharacterDevice => DescriptorType::CharacterDevice,
            FileType::BlockDevice => DescriptorType::BlockDevice,
            FileType::Unknown => DescriptorType::Other(None),
        };
        entries.push(DirectoryEntry {
            type_,
            name: name.to_owned(),
        });
    }
    Ok(entries)
}

async fn open_at(
    store: &Accessor<State>,
    fd: Resource<Descriptor>,
    path_flags: PathFlags,
    path: String,
    open_flags: OpenFlags,
    flags: DescriptorFlags,
) -> Result<Opened> {
    let inline = INLINE_SUFFIXES.iter().any(|suffix| path.ends_with(suffix));
    let filesystem = if inline {
        State::inline_filesystem
    } else {
        <State as WasiFilesystemView>::filesystem
    };
    let store = store.with_getter::<WasiFilesystem>(filesystem);
    let opened = WasiFilesystem::open_at(&store, fd, path_flags, path, open_flags, flags).await;
    result(opened)
}

async fn sync_data(store: &Accessor<State>, fd: Resource<Descriptor>) -> Result<Synced> {
    let descriptor = store.with(|mut store| store.get().table().get(&fd).cloned())?;
    match descriptor {
        Descriptor::File(file) => {
            let file = file.file;
            let synced = wasmtime_wasi::runtime::spawn_blocking(move || file.sync_data()).await;
            Ok((synced.map_err(ErrorCode::from),))
        }
        Descriptor::Dir(_) => {
            let store = store.with_getter::<WasiFilesystem>(WasiFilesystemView::filesystem);
            result(WasiFilesystem::sync_data(&store, fd).await)
        }
    }
}

/// An error code for the component, or a trap.
fn result<T>(
    result: wasmtime_wasi::p3::filesystem::FilesystemResult<T>,
) -> Result<(std::result::Result<T, ErrorCode>,)> {
    match result {
        Ok(value) => Ok((Ok(value),)),
        Err(error) => Ok((Err(error.downcast()?),)),
    }
}
