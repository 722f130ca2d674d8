//! Fills the disk, in every way there is. Each answers what it managed before
//! something stopped it, as `{"done":N,"error":…}`.

use wasip3::filesystem::preopens::get_directories;
use wasip3::filesystem::types::{
    Descriptor, DescriptorFlags, ErrorCode, Filesize, OpenFlags, PathFlags,
};
use wasip3::wit_stream;

/// Bytes of one write.
const PIECE: usize = 64 << 10;

/// What nobody has on a disk.
const SPARSE: Filesize = 1 << 44;

/// Does what the name says; `None` where it says nothing.
pub(super) async fn attempt(name: &str) -> Option<String> {
    let (root, _) = get_directories().into_iter().next()?;
    let (done, stopped) = match name {
        "files" => repeat(async |n| create(&root, &format!("file-{n}")).await.map(drop)).await,
        "directories" => repeat(async |n| root.create_directory_at(format!("dir-{n}")).await).await,
        "links" => links(&root).await,
        "symlinks" => {
            repeat(async |n| root.symlink_at("x".to_owned(), format!("sym-{n}")).await).await
        }
        "fill" => fill(&root, "filled", false).await,
        "fill-unlinked" => fill(&root, "unlinked", true).await,
        "fill-published" => fill(&root, "published.tmp", false).await,
        "fill-far" => far(&root).await,
        "fill-sparse" => sparse(&root).await,
        "overwrite" => overwrite(&root).await,
        "clean" => clean(&root).await,
        _ => return None,
    };
    let error = stopped.map_or("null".to_owned(), |code| format!("\"{code:?}\""));
    Some(format!("{{\"done\":{done},\"error\":{error}}}"))
}

type Outcome = (u64, Option<ErrorCode>);

/// Does something until it fails.
async fn repeat(mut once: impl AsyncFnMut(u64) -> Result<(), ErrorCode>) -> Outcome {
    for n in 0.. {
        if let Err(code) = once(n).await {
            return (n, Some(code));
        }
    }
    unreachable!()
}

async fn create(root: &Descriptor, name: &str) -> Result<Descriptor, ErrorCode> {
    root.open_at(
        PathFlags::empty(),
        name.to_owned(),
        OpenFlags::CREATE,
        DescriptorFlags::READ | DescriptorFlags::WRITE,
    )
    .await
}

async fn links(root: &Descriptor) -> Outcome {
    if let Err(code) = create(root, "linked").await {
        return (0, Some(code));
    }
    repeat(async |n| {
        let name = format!("link-{n}");
        root.link_at(PathFlags::empty(), "linked".to_owned(), root, name)
            .await
    })
    .await
}

/// Appends until it fails; to a file without a name, if wanted.
async fn fill(root: &Descriptor, name: &str, unlinked: bool) -> Outcome {
    let file = match create(root, name).await {
        Ok(file) => file,
        Err(code) => return (0, Some(code)),
    };
    if unlinked && let Err(code) = root.unlink_file_at(name.to_owned()).await {
        return (0, Some(code));
    }
    let (mut sender, receiver) = wit_stream::new();
    let result = file.append_via_stream(receiver);
    let mut written: u64 = 0;
    loop {
        let left = sender.write_all(vec![1; PIECE]).await;
        written += (PIECE - left.len()) as u64;
        if !left.is_empty() {
            drop(sender);
            return (written, result.await.err());
        }
    }
}

/// Writes single pieces far behind each other, where a file's size is no measure.
async fn far(root: &Descriptor) -> Outcome {
    let file = match create(root, "far").await {
        Ok(file) => file,
        Err(code) => return (0, Some(code)),
    };
    repeat(async |n| write(&file, n << 30).await).await
}

async fn write(file: &Descriptor, offset: Filesize) -> Result<(), ErrorCode> {
    let (mut sender, receiver) = wit_stream::new();
    let result = file.write_via_stream(receiver, offset);
    let left = sender.write_all(vec![1; PIECE]).await;
    drop(sender);
    result.await?;
    if left.is_empty() {
        Ok(())
    } else {
        Err(ErrorCode::Io)
    }
}

/// A file that claims to be large.
async fn sparse(root: &Descriptor) -> Outcome {
    match create(root, "sparse").await {
        Ok(file) => match file.set_size(SPARSE).await {
            Ok(()) => (SPARSE, None),
            Err(code) => (0, Some(code)),
        },
        Err(code) => (0, Some(code)),
    }
}

/// Writes the same piece over and over, which takes no more room.
async fn overwrite(root: &Descriptor) -> Outcome {
    let file = match create(root, "overwritten").await {
        Ok(file) => file,
        Err(code) => return (0, Some(code)),
    };
    for n in 0..1000 {
        if let Err(code) = write(&file, 0).await {
            return (n, Some(code));
        }
    }
    (1000, None)
}

/// Removes all it ever made.
async fn clean(root: &Descriptor) -> Outcome {
    let (mut entries, result) = root.read_directory();
    let mut names = Vec::new();
    while let Some(entry) = entries.next().await {
        names.push(entry.name);
    }
    if let Err(code) = result.await {
        return (0, Some(code));
    }
    let mut removed = 0;
    for name in names {
        let file = root.unlink_file_at(name.clone()).await.is_ok();
        if file || root.remove_directory_at(name).await.is_ok() {
            removed += 1;
        }
    }
    (removed, None)
}
