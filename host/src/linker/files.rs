//! Files and directories as the component sees them: where their I/O happens,
//! how they are listed, and that their names are charged.

use crate::state::State;
use rustix::fs::{FileType, Mode, OFlags};
use std::sync::Arc;
use wasmtime::component::{Accessor, FutureReader, Linker, Resource, StreamReader};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p3::bindings::filesystem::types::{
    DescriptorFlags, DescriptorType, DirectoryEntry, ErrorCode, HostDescriptorWithStore, OpenFlags,
    PathFlags,
};

/// Names of files whose I/O is done on the worker's own thread: journals, and
/// segments in the making.
const INLINE_SUFFIXES: [&str; 2] = [".jnl", SEGMENT_SUFFIX];

/// … the latter, which take the place of journals that are larger.
const SEGMENT_SUFFIX: &str = ".tmp";

type Opened = (std::result::Result<Resource<Descriptor>, ErrorCode>,);
/// What a method returns that gives nothing.
pub(super) type Done = (std::result::Result<(), ErrorCode>,);

/// Changes where the I/O of journals and of segments in the making happens.
///
/// An append to either is a copy into the page cache: on the worker's own thread
/// it costs a fraction of a hop to another thread, and is not cut into pieces of
/// 8 KiB, each of which would wait for its turn between batches of reports.
/// Everything else may wait for the disk, and so never happens there: other
/// files, and the sync of these.
pub(super) fn link(linker: &mut Linker<State>) -> Result<()> {
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
    )
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
    if open_flags.contains(OpenFlags::CREATE) && charge_name(store) == Metered::Refused {
        return Ok((Err(ErrorCode::Quota),));
    }
    let inline = INLINE_SUFFIXES.iter().any(|suffix| path.ends_with(suffix));
    let publishing = path.ends_with(SEGMENT_SUFFIX);
    let filesystem = if inline {
        State::inline_filesystem
    } else {
        <State as WasiFilesystemView>::filesystem
    };
    if !store.with(|mut store| begin(store.get())) {
        return Ok((Err(ErrorCode::InsufficientMemory),));
    }
    let files = store.with_getter::<WasiFilesystem>(filesystem);
    let opened = WasiFilesystem::open_at(&files, fd, path_flags, path, open_flags, flags).await;
    let opened = result(opened);
    store.with(|mut store| end(store.get(), opened.as_ref().ok(), publishing))?;
    opened
}

/// Whether one more may be open.
fn begin(state: &mut State) -> bool {
    let room = state.open_files().begin();
    if !room {
        state.quota().refuse_open();
    }
    room
}

/// Notes what was opened, also for the quota: it may be unlinked while it is open.
fn end(state: &mut State, opened: Option<&Opened>, publishing: bool) -> Result<()> {
    let Some((Ok(fd),)) = opened else {
        state.open_files().end(None);
        return Ok(());
    };
    let quota = Arc::clone(state.quota());
    let held = match state.table().get(fd)? {
        Descriptor::File(file) => {
            if quota.is_limited() {
                quota.opened(&file.file, publishing);
            }
            Arc::clone(&file.file)
        }
        Descriptor::Dir(dir) => Arc::clone(&dir.dir),
    };
    state.open_files().end(Some(&held));
    Ok(())
}

/// Whether the quota allows something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Metered {
    Allowed,
    Refused,
}

/// Charges a name that is about to be created.
pub(super) fn charge_name(store: &Accessor<State>) -> Metered {
    match store.with(|mut store| store.get().quota().charge_file()) {
        true => Metered::Allowed,
        false => Metered::Refused,
    }
}

async fn sync_data(store: &Accessor<State>, fd: Resource<Descriptor>) -> Result<Done> {
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
pub(super) fn result<T>(
    result: wasmtime_wasi::p3::filesystem::FilesystemResult<T>,
) -> Result<(std::result::Result<T, ErrorCode>,)> {
    match result {
        Ok(value) => Ok((Ok(value),)),
        Err(error) => Ok((Err(error.downcast()?),)),
    }
}
