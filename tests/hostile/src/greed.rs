//! Memory, CPU and handles without end.

use std::hint::black_box;
use wasip3::clocks::monotonic_clock::wait_for;
use wasip3::filesystem::preopens::get_directories;
use wasip3::filesystem::types::{DescriptorFlags, OpenFlags, PathFlags};
use wasip3::wit_bindgen::rt::async_support::yield_async;
use wasip3::wit_stream;

/// A year in nanoseconds: no test waits for it.
const A_YEAR: u64 = 365 * 86_400 * 1_000_000_000;

/// Takes whatever the name says; `None` where it says nothing.
pub(super) async fn attempt(name: &str) -> Option<String> {
    match name {
        "memory-bomb" => Some(memory()),
        "recursion" => Some(format!("{}", recursion(1))),
        "trap" => std::process::abort(),
        "loop" => endless(),
        "loop-yield" => endless_but_polite().await,
        "never" => {
            wait_for(A_YEAR).await;
            None
        }
        "handles" => Some(handles().await),
        "timers" => Some(timers().await),
        "streams" => Some(streams()),
        "random" => Some(random()),
        _ => None,
    }
}

/// Takes memory, and uses it, until there is none.
fn memory() -> String {
    let mut all: Vec<Vec<u8>> = Vec::new();
    loop {
        all.push(black_box(vec![1_u8; 1 << 20]));
    }
}

#[allow(unconditional_recursion, reason = "that is the harm")]
fn recursion(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    recursion(depth + 1) + frame.iter().sum::<u64>()
}

fn endless() -> Option<String> {
    let mut turns: u64 = 0;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

/// Burns CPU, but gives up control every few milliseconds.
async fn endless_but_polite() -> Option<String> {
    loop {
        for turn in 0..1_000_000_u64 {
            black_box(turn);
        }
        yield_async().await;
    }
}

/// Opens its directory again and again and closes nothing.
async fn handles() -> String {
    let Some((root, _)) = get_directories().into_iter().next() else {
        return "no directory".to_owned();
    };
    for opened in 0.. {
        let again = root.open_at(
            PathFlags::empty(),
            ".".to_owned(),
            OpenFlags::DIRECTORY,
            DescriptorFlags::READ,
        );
        match again.await {
            Ok(descriptor) => std::mem::forget(descriptor),
            Err(code) => return format!("{{\"opened\":{opened},\"error\":\"{code:?}\"}}"),
        }
    }
    unreachable!()
}

/// Has the host wait for something, again and again.
async fn timers() -> String {
    let mut started: u64 = 0;
    loop {
        wasip3::spawn_local(wait_for(A_YEAR));
        started += 1;
        if started.is_multiple_of(1000) {
            yield_async().await;
        }
    }
}

fn streams() -> String {
    loop {
        let (sender, receiver) = wit_stream::new::<u8>();
        std::mem::forget((sender, receiver));
    }
}

/// Asks the host for more random bytes than there is memory.
fn random() -> String {
    let bytes = wasip3::random::random::get_random_bytes(1 << 40);
    format!("{{\"bytes\":{}}}", bytes.len())
}
