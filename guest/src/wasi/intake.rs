//! The `intake` interface: reports in batches from a native host.

use super::Component;
use super::bindings::exports::netwatch::server::intake::{
    Guest, Refusal, Submission as Received, Verdict,
};
use super::instance::instance;
use crate::intake::Submission;
use crate::problem::Problem;

impl Guest for Component {
    async fn submit(batch: Vec<Received>) -> Vec<Verdict> {
        let submissions: Vec<Submission> = batch.into_iter().map(Submission::from).collect();
        let verdicts = match instance().await {
            Ok(instance) => instance.submit(&submissions).await,
            Err(problem) => vec![Err(problem); submissions.len()],
        };
        verdicts.into_iter().map(Verdict::from).collect()
    }
}

impl From<Received> for Submission {
    fn from(received: Received) -> Self {
        Submission {
            body: received.body,
            content_type: received.content_type,
            content_encoding: received.content_encoding,
            origin: received.origin,
            key: received.key,
            client: received.client,
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
