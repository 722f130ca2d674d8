//! One request for `wasi:http/handler`, as a task of the instance's store.

use super::Call;
use crate::answer;
use crate::state::State;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use std::pin::Pin;
use std::sync::Arc;
use wasmtime::Result;
use wasmtime::component::{Accessor, AccessorTask};
use wasmtime_wasi_http::p3::Request;
use wasmtime_wasi_http::p3::bindings::Service;
use wasmtime_wasi_http::{WasiBody, WasiHttpView};

/// The task. It holds `busy` until the component has made the whole answer.
pub(crate) struct CallTask<B> {
    pub(crate) call: Box<Call>,
    pub(crate) service: Arc<Service>,
    pub(crate) busy: B,
}

impl<B: Send + Unpin + 'static> AccessorTask<State> for CallTask<B> {
    async fn run(self, store: &Accessor<State>) -> Result<()> {
        let CallTask {
            call,
            service,
            busy,
        } = self;
        let Call {
            request,
            reply,
            place,
        } = *call;
        let (request, received) = store.with(|mut store| {
            let (request, received) = Request::from_http(store.data_mut().http().hooks, request);
            // Boxed, or the future would be taken to borrow from the store.
            let received: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(received);
            (request, received)
        });
        // Whether the body could be read is the component's concern.
        drop(received);
        let complain = |about: std::fmt::Arguments<'_>| {
            store.with(|mut store| store.get().log().complain(&about.to_string()));
        };
        let response = match service.handle(store, request).await? {
            Ok(response) => {
                let response = store.with(|store| response.into_http(store, async { Ok(()) }))?;
                // Of another protocol, or an answer before the answer: a proxy
                // would take what follows for something else.
                if response.status().is_informational() {
                    let status = response.status();
                    complain(format_args!("the component answers with status {status}"));
                    failed()
                } else {
                    response
                }
            }
            Err(code) => {
                complain(format_args!(
                    "the component failed to answer a request: {code:?}"
                ));
                failed()
            }
        };
        let held = (place, busy);
        let response = response.map(|body| {
            Held {
                body,
                held: Some(held),
            }
            .boxed_unsync()
        });
        // The client may have left.
        let _ = reply.send(response);
        Ok(())
    }
}

fn failed() -> http::Response<WasiBody> {
    let problem = answer::unavailable();
    let body = Full::new(Bytes::from(problem.json()));
    let mut response = http::Response::new(body.map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
    let headers = response.headers_mut();
    headers.insert(
        http::header::CONTENT_TYPE,
        http::HeaderValue::from_static(netwatch_guest::problem::PROBLEM_JSON),
    );
    if let Some(seconds) = problem.retry_after {
        headers.insert(http::header::RETRY_AFTER, seconds.into());
    }
    response
}

/// A body that holds something until its end.
struct Held<H> {
    body: WasiBody,
    held: Option<H>,
}

impl<H: Unpin> http_body::Body for Held<H> {
    type Data = Bytes;
    type Error = wasmtime_wasi_http::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<std::result::Result<http_body::Frame<Bytes>, Self::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if matches!(polled, std::task::Poll::Ready(None | Some(Err(_)))) {
            self.held = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}
