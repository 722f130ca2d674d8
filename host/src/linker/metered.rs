//! Writing to a directory that has a quota: charged first, then done.

use super::files::{Done, Metered, charge_name, result};
use crate::state::State;
use crate::tenant::Quota;
use rustix::io::{ReadWriteFlags, pwrite, pwritev2};
use std::fs::File;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::oneshot;
use wasmtime::component::{
    Access, Accessor, FutureReader, Linker, Resource, Source, StreamConsumer, StreamReader,
    StreamResult,
};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::filesystem::{Descriptor, OpenMode, WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p3::bindings::filesystem::types::{ErrorCode, HostDescriptorWithStore};

type Written = std::result::Result<(), ErrorCode>;

/// Bytes written before others get their turn: this happens on the worker's own
/// thread.
const PIECE_BYTES: usize = 1 << 20;

/// Puts the meter before everything that takes space or makes a name, except
/// `open-at`, which has it already.
pub(super) fn link(linker: &mut Linker<State>) -> Result<()> {
    let mut interface = linker.instance("wasi:filesystem/types@0.3.0")?;
    interface.func_wrap(
        "[method]descriptor.write-via-stream",
        |store: StoreContextMut<'_, State>, (fd, data, offset)| {
            write(store, fd, data, Some(offset))
        },
    )?;
    interface.func_wrap(
        "[method]descriptor.append-via-stream",
        |store: StoreContextMut<'_, State>, (fd, data)| write(store, fd, data, None),
    )?;
    interface.func_wrap_concurrent("[method]descriptor.set-size", |store, (fd, size)| {
        Box::pin(async move {
            let metered = store.with(|mut store| charge_size(store.get(), &fd, size))?;
            let store = store.with_getter::<WasiFilesystem>(WasiFilesystemView::filesystem);
            match metered {
                Metered::Allowed => result(WasiFilesystem::set_size(&store, fd, size).await),
                Metered::Refused => Ok((Err(ErrorCode::Quota),)),
            }
        })
    })?;
    interface.func_wrap_concurrent(
        "[method]descriptor.create-directory-at",
        |store, (fd, path)| {
            Box::pin(async move {
                if charge_name(store) == Metered::Refused {
                    return Ok::<Done, wasmtime::Error>((Err(ErrorCode::Quota),));
                }
                let store = store.with_getter::<WasiFilesystem>(WasiFilesystemView::filesystem);
                result(WasiFilesystem::create_directory_at(&store, fd, path).await)
            })
        },
    )?;
    interface.func_wrap_concurrent("[method]descriptor.symlink-at", no_symlink)?;
    interface.func_wrap_concurrent(
        "[method]descriptor.link-at",
        |store, (fd, flags, old, to, new)| {
            Box::pin(async move {
                if charge_name(store) == Metered::Refused {
                    return Ok::<Done, wasmtime::Error>((Err(ErrorCode::Quota),));
                }
                let store = store.with_getter::<WasiFilesystem>(WasiFilesystemView::filesystem);
                result(WasiFilesystem::link_at(&store, fd, flags, old, to, new).await)
            })
        },
    )
}

type Linking = (Resource<Descriptor>, String, String);

/// Refuses to make a symbolic link. The component could not follow it out of its
/// directory, but whoever else looks into that directory might.
fn no_symlink(
    _: &Accessor<State>,
    _: Linking,
) -> Pin<Box<dyn Future<Output = Result<Done>> + Send + '_>> {
    Box::pin(async { Ok((Err(ErrorCode::NotPermitted),)) })
}

/// Charges what a file would grow by.
fn charge_size(state: &mut State, fd: &Resource<Descriptor>, size: u64) -> Result<Metered> {
    let quota = Arc::clone(state.quota());
    if !quota.is_limited() {
        return Ok(Metered::Allowed);
    }
    let Descriptor::File(file) = state.table().get(fd)? else {
        // The runtime says what is wrong.
        return Ok(Metered::Allowed);
    };
    let length = file.file.metadata().map_or(0, |metadata| metadata.len());
    let grown = size.saturating_sub(length);
    Ok(match grown == 0 || quota.charge_bytes(grown, false) {
        true => Metered::Allowed,
        false => Metered::Refused,
    })
}

/// Writes a stream to a file, from an offset on or at its end.
fn write(
    mut store: StoreContextMut<'_, State>,
    fd: Resource<Descriptor>,
    mut data: StreamReader<u8>,
    offset: Option<u64>,
) -> Result<(FutureReader<Written>,)> {
    let quota = Arc::clone(store.data().quota());
    if !quota.is_limited() {
        let access = Access::<State, WasiFilesystem>::new(store, WasiFilesystemView::filesystem);
        let written = match offset {
            Some(offset) => WasiFilesystem::write_via_stream(access, fd, data, offset),
            None => WasiFilesystem::append_via_stream(access, fd, data),
        };
        return Ok((written?,));
    }
    let (sender, written) = oneshot::channel();
    match writable(store.data_mut(), &fd)? {
        Ok(file) => {
            let publishing = quota.is_publishing(&file);
            let writer = Writer {
                file,
                quota,
                publishing,
                offset,
                written: Some(sender),
            };
            data.pipe(&mut store, writer)?;
        }
        Err(code) => {
            data.close(&mut store)?;
            let _ = sender.send(Err(code));
        }
    }
    Ok((FutureReader::new(&mut store, written)?,))
}

fn writable(
    state: &mut State,
    fd: &Resource<Descriptor>,
) -> Result<std::result::Result<Arc<File>, ErrorCode>> {
    Ok(match state.table().get(fd)? {
        Descriptor::Dir(_) => Err(ErrorCode::BadDescriptor),
        Descriptor::File(file)
            if file.perms.write_not_permitted() || !file.open_mode.contains(OpenMode::WRITE) =>
        {
            Err(ErrorCode::NotPermitted)
        }
        Descriptor::File(file) => Ok(Arc::clone(&file.file)),
    })
}

/// The other end of a stream that is written to a file.
struct Writer {
    file: Arc<File>,
    quota: Arc<Quota>,
    publishing: bool,
    /// Where the next byte goes; `None` for the end.
    offset: Option<u64>,
    written: Option<oneshot::Sender<Written>>,
}

impl Writer {
    /// Bytes by which a file becomes longer when so many are written. What is
    /// overwritten is not charged again, and a hole as if it were full.
    fn growth(&self, bytes: u64) -> io::Result<u64> {
        let Some(offset) = self.offset else {
            return Ok(bytes);
        };
        let length = self.file.metadata()?.len();
        Ok(offset.saturating_add(bytes).saturating_sub(length))
    }

    fn put(&mut self, bytes: &[u8]) -> std::result::Result<usize, ErrorCode> {
        let growth = self.growth(bytes.len() as u64).map_err(ErrorCode::from)?;
        if growth > 0 && !self.quota.charge_bytes(growth, self.publishing) {
            return Err(ErrorCode::Quota);
        }
        let put = match self.offset {
            Some(offset) => pwrite(&self.file, bytes, offset),
            None => pwritev2(
                &self.file,
                &[IoSlice::new(bytes)],
                0,
                ReadWriteFlags::APPEND,
            ),
        };
        let put = put.map_err(|error| ErrorCode::from(io::Error::from(error)))?;
        if let Some(offset) = &mut self.offset {
            *offset = offset.checked_add(put as u64).ok_or(ErrorCode::Overflow)?;
        }
        Ok(put)
    }

    fn close(&mut self, written: Written) {
        if let Some(sender) = self.written.take() {
            // The component may not be interested.
            let _ = sender.send(written);
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close(Ok(()));
    }
}

impl<D> StreamConsumer<D> for Writer {
    type Item = u8;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        store: StoreContextMut<'_, D>,
        source: Source<'_, u8>,
        _: bool,
    ) -> Poll<Result<StreamResult>> {
        let mut source = source.as_direct(store);
        let bytes = source.remaining();
        let piece = bytes.get(..PIECE_BYTES).unwrap_or(bytes);
        Poll::Ready(Ok(match self.put(piece) {
            Ok(put) => {
                source.mark_read(put);
                StreamResult::Completed
            }
            Err(code) => {
                self.close(Err(code));
                StreamResult::Dropped
            }
        }))
    }
}
