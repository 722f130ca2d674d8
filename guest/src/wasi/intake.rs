//! The `intake` interface: reports in batches from a native host.

use super::Component;
use super::bindings::exports::netwatch::server::intake::{
    Envelope as Came, Guest, Refusal, Submission as Received, Verdict,
};
use super::instance::instance;
use crate::intake::{Envelope, Submission};
use crate::problem::Problem;

impl Guest for Component {
    async fn submit(
        bodies: Vec<u8>,
        submissions: Vec<Received>,
        envelopes: Vec<Came>,
    ) -> Vec<Verdict> {
        let envelopes: Vec<Envelope> = envelopes.into_iter().map(Envelope::from).collect();
        let verdicts = match (instance().await, pair(&bodies, &submissions, &envelopes)) {
            (Ok(instance), Some(submissions)) => instance.submit(&submissions).await,
            (Err(problem), _) => vec![Err(problem); submissions.len()],
            (_, None) => {
                let detail = "the host's batch contradicts itself; please report this";
                vec![Err(Problem::new(500, "internal", detail)); submissions.len()]
            }
        };
        verdicts.into_iter().map(Verdict::from).collect()
    }
}

/// Each submission with its body and what it came with. `None` where one of them
/// is not there.
fn pair<'a>(
    bodies: &'a [u8],
    submissions: &[Received],
    envelopes: &'a [Envelope],
) -> Option<Vec<Submission<'a>>> {
    let mut begin = 0;
    let pairs = submissions.iter().map(|received| {
        let end = received.body_end as usize;
        let body = bodies.get(std::mem::replace(&mut begin, end)..end)?;
        let envelope = envelopes.get(received.envelope as usize)?;
        Some(Submission { body, envelope })
    });
    pairs.collect()
}

impl From<Came> for Envelope {
    fn from(came: Came) -> Self {
        Envelope {
            content_type: came.content_type,
            content_encoding: came.content_encoding,
            origin: came.origin,
            key: came.key,
            client: came.client,
        }
    }
}

impl From<Result<u32, Problem>> for Verdict {
    fn from(verdict: Result<u32, Problem>) -> Self {
        match verdict {
            Ok(reports) => Verdict::Accepted(reports),
            Err(problem) => Verdict::Refused(Refusal {
                status: problem.status,
                problem: problem.json(),
                retry_after: problem.retry_after,
                readable_by_origin: problem.readable_by_origin,
            }),
        }
    }
}
