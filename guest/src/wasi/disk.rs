//! The store's directories over `wasi:filesystem` 0.3.

use crate::disk::{Disk, DiskError, DiskFile, DiskResult, Folder};
use std::cell::RefCell;
use wasip3::filesystem::preopens::get_directories;
use wasip3::filesystem::types::{
    Descriptor, DescriptorFlags, DescriptorType, ErrorCode, OpenFlags, PathFlags,
};
use wasip3::wit_bindgen::rt::async_support::{FutureReader, StreamResult, StreamWriter};
use wasip3::wit_stream;

/// Times a listing is begun anew because an entry vanished under it.
const LISTING_ATTEMPTS: usize = 100;

/// `DATA_DIR` and the folders in it.
#[derive(Debug)]
pub(super) struct WasiDisk {
    data: Descriptor,
    journal: Descriptor,
    quarantine: Descriptor,
    index: Descriptor,
}

impl WasiDisk {
    /// Opens the store below `data_dir`, one of the preopened directories or a
    /// path below one. Folders that are missing are created.
    ///
    /// # Errors
    /// If no preopened directory holds it, or a folder cannot be made.
    pub(super) async fn open(data_dir: &str) -> DiskResult<WasiDisk> {
        let data = open_data_dir(data_dir).await?;
        let journal = open_folder(&data, "journal").await?;
        let quarantine = open_folder(&data, "quarantine").await?;
        let index = open_folder(&data, "index").await?;
        Ok(WasiDisk {
            data,
            journal,
            quarantine,
            index,
        })
    }

    fn folder(&self, folder: Folder) -> &Descriptor {
        match folder {
            Folder::Data => &self.data,
            Folder::Journal => &self.journal,
            Folder::Quarantine => &self.quarantine,
            Folder::Index => &self.index,
        }
    }
}

async fn open_data_dir(data_dir: &str) -> DiskResult<Descriptor> {
    let wanted = data_dir.trim_end_matches('/');
    let mut found: Option<(Descriptor, String)> = None;
    let mut names = Vec::new();
    for (descriptor, name) in get_directories() {
        let prefix = name.trim_end_matches('/');
        let below = wanted
            .strip_prefix(prefix)
            .filter(|rest| rest.is_empty() || rest.starts_with('/'));
        let longer = found
            .as_ref()
            .is_none_or(|(_, rest)| below.is_some_and(|below| below.len() < rest.len()));
        if let (Some(below), true) = (below, longer) {
            found = Some((descriptor, below.trim_start_matches('/').to_owned()));
        }
        names.push(name);
    }
    let Some((mut directory, rest)) = found else {
        return Err(DiskError::Failed(format!(
            "DATA_DIR={data_dir} is in none of the directories given to the component \
             ({names:?}): give it one, as in `--dir HOST_PATH::{data_dir}`"
        )));
    };
    for part in rest.split('/').filter(|part| !part.is_empty()) {
        directory = open_folder(&directory, part).await?;
    }
    Ok(directory)
}

async fn open_folder(parent: &Descriptor, name: &str) -> DiskResult<Descriptor> {
    match parent.create_directory_at(name.to_owned()).await {
        Ok(()) | Err(ErrorCode::Exist) => {}
        Err(code) => return Err(error("creating the directory", name, code)),
    }
    parent
        .open_at(
            PathFlags::empty(),
            name.to_owned(),
            OpenFlags::DIRECTORY,
            DescriptorFlags::READ | DescriptorFlags::MUTATE_DIRECTORY,
        )
        .await
        .map_err(|code| error("opening the directory", name, code))
}

fn error(doing: &str, name: &str, code: ErrorCode) -> DiskError {
    match code {
        ErrorCode::NoEntry => DiskError::NotFound,
        ErrorCode::Exist => DiskError::Exists,
        ErrorCode::InsufficientSpace | ErrorCode::Quota => DiskError::Full,
        other => DiskError::Failed(format!("{doing} {name}: {other:?}")),
    }
}

impl Disk for WasiDisk {
    type File = WasiFile;

    async fn create(&self, folder: Folder, name: &str) -> DiskResult<WasiFile> {
        let descriptor = self
            .folder(folder)
            .open_at(
                PathFlags::empty(),
                name.to_owned(),
                OpenFlags::CREATE | OpenFlags::EXCLUSIVE,
                DescriptorFlags::READ | DescriptorFlags::WRITE,
            )
            .await
            .map_err(|code| error("creating", name, code))?;
        Ok(WasiFile::new(descriptor))
    }

    async fn open(&self, folder: Folder, name: &str, append: bool) -> DiskResult<WasiFile> {
        let flags = if append {
            DescriptorFlags::READ | DescriptorFlags::WRITE
        } else {
            DescriptorFlags::READ
        };
        let descriptor = self
            .folder(folder)
            .open_at(
                PathFlags::empty(),
                name.to_owned(),
                OpenFlags::empty(),
                flags,
            )
            .await
            .map_err(|code| error("opening", name, code))?;
        Ok(WasiFile::new(descriptor))
    }

    async fn list(&self, folder: Folder) -> DiskResult<Vec<String>> {
        let put = |names: &mut Vec<String>, name: &str| names.push(name.to_owned());
        self.scan(folder, Vec::new, put).await
    }

    async fn scan<T>(
        &self,
        folder: Folder,
        begin: impl Fn() -> T,
        mut each: impl FnMut(&mut T, &str),
    ) -> DiskResult<T> {
        let mut attempt = 1;
        loop {
            let (mut entries, result) = self.folder(folder).read_directory();
            let mut seen = begin();
            while let Some(entry) = entries.next().await {
                if matches!(entry.type_, DescriptorType::RegularFile) {
                    each(&mut seen, &entry.name);
                }
            }
            match result.await {
                Ok(()) => return Ok(seen),
                Err(ErrorCode::NoEntry) if attempt < LISTING_ATTEMPTS => attempt += 1,
                Err(ErrorCode::IllegalByteSequence) => {
                    // What comes after it in the listing is not to be had, and half
                    // a listing must not be acted upon.
                    return Err(DiskError::Failed(format!(
                        "a file in the {folder:?} folder has a name that is not UTF-8: remove it"
                    )));
                }
                Err(code) => {
                    let name = format!("{folder:?}").to_lowercase();
                    return Err(error("listing the directory", &name, code));
                }
            }
        }
    }

    async fn link(&self, from: (Folder, &str), to: (Folder, &str)) -> DiskResult<()> {
        self.folder(from.0)
            .link_at(
                PathFlags::empty(),
                from.1.to_owned(),
                self.folder(to.0),
                to.1.to_owned(),
            )
            .await
            .map_err(|code| error("linking", to.1, code))
    }

    async fn rename(&self, from: (Folder, &str), to: (Folder, &str)) -> DiskResult<()> {
        self.folder(from.0)
            .rename_at(from.1.to_owned(), self.folder(to.0), to.1.to_owned())
            .await
            .map_err(|code| error("renaming", from.1, code))
    }

    async fn unlink(&self, folder: Folder, name: &str) -> DiskResult<()> {
        self.folder(folder)
            .unlink_file_at(name.to_owned())
            .await
            .map_err(|code| error("removing", name, code))
    }

    async fn sync_folder(&self, folder: Folder) -> DiskResult<()> {
        self.folder(folder)
            .sync()
            .await
            .map_err(|code| error("syncing the directory", &format!("{folder:?}"), code))
    }
}

/// A file, with one stream for all it appends.
#[derive(Debug)]
pub(super) struct WasiFile {
    descriptor: Descriptor,
    appends: Option<Appends>,
    /// What is on its way to the host; kept for its capacity.
    outgoing: RefCell<Vec<u8>>,
}

#[derive(Debug)]
struct Appends {
    stream: StreamWriter<u8>,
    result: FutureReader<Result<(), ErrorCode>>,
}

impl WasiFile {
    fn new(descriptor: Descriptor) -> WasiFile {
        WasiFile {
            descriptor,
            appends: None,
            outgoing: RefCell::default(),
        }
    }
}

impl DiskFile for WasiFile {
    async fn append(&mut self, bytes: Vec<u8>) -> (Vec<u8>, DiskResult<()>) {
        // A stream write consumes its buffer, and the caller wants the bytes.
        let mut outgoing = self.outgoing.take();
        outgoing.extend_from_slice(&bytes);
        let appends = self.appends.get_or_insert_with(|| {
            let (stream, reader) = wit_stream::new();
            let result = self.descriptor.append_via_stream(reader);
            Appends { stream, result }
        });
        let unwritten = appends.stream.write_all(outgoing).await;
        if unwritten.is_empty() {
            *self.outgoing.get_mut() = unwritten;
            return (bytes, Ok(()));
        }
        // The host closed the stream; its result says why.
        let code = match self.appends.take() {
            Some(Appends { stream, result }) => {
                drop(stream);
                result.await
            }
            None => Ok(()),
        };
        let why = match code {
            Err(code) => error("appending to", "a file", code),
            Ok(()) => DiskError::Failed(format!("{} bytes were not written", unwritten.len())),
        };
        (bytes, Err(why))
    }

    async fn read_at(&self, offset: u64, len: usize) -> DiskResult<Vec<u8>> {
        let (mut stream, result) = self.descriptor.read_via_stream(offset);
        let mut bytes = Vec::with_capacity(len);
        while bytes.len() < len {
            let room = Vec::with_capacity(len - bytes.len());
            let (status, some) = stream.read(room).await;
            bytes.extend_from_slice(&some);
            if status == StreamResult::Dropped {
                return match result.await {
                    Ok(()) => Ok(bytes),
                    Err(code) => Err(error("reading", "a file", code)),
                };
            }
        }
        Ok(bytes)
    }

    async fn size(&self) -> DiskResult<u64> {
        match self.descriptor.stat().await {
            Ok(stat) => Ok(stat.size),
            Err(code) => Err(error("looking at", "a file", code)),
        }
    }

    async fn sync(&self) -> DiskResult<()> {
        let synced = self.descriptor.sync_data().await;
        synced.map_err(|code| error("syncing", "a file", code))
    }
}
