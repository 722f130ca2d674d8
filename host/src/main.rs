//! The `netwatch-server` command.

use netwatch_server::{
    Command, Configuration, Confinement, LogFormat, Options, Reach, RunningServer, Server, Signal,
    command, confine, signals, start_log,
};
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

/// Exit code where the command line, the configuration or another server stands
/// in the way: trying again does not help.
const MISUSE: u8 = 2;

fn main() -> ExitCode {
    let environment = |name: &str| std::env::var(name).ok();
    match command(std::env::args_os(), environment) {
        Ok(Command::Print(text)) => {
            print(&text);
            ExitCode::SUCCESS
        }
        Ok(Command::Run(tool)) => tool.run(),
        Ok(Command::Serve(options, configuration)) => {
            start_log(options.log_format, options.debug);
            run(*options, configuration)
        }
        Err(error) => fail(&error.to_string(), MISUSE),
    }
}

fn run(mut options: Options, configuration: Configuration) -> ExitCode {
    // Before there is any other thread.
    let reach = Reach::of(&options, &configuration);
    let confinement = match confine(options.confine, &reach) {
        Ok(confinement) => confinement,
        Err(error) => return fail(&error.to_string(), MISUSE),
    };
    options.roots = confinement.roots();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(serve(options, configuration, confinement)),
        Err(error) => fail(&format!("no threads: {error}"), 1),
    }
}

async fn serve(
    mut options: Options,
    configuration: Configuration,
    mut confinement: Confinement,
) -> ExitCode {
    let mut signals = match signals() {
        Ok(signals) => signals,
        Err(error) => return fail(&format!("signals cannot be caught: {error}"), 1),
    };
    let made_up = options.make_up_read_token(std::io::stdout().is_terminal());
    let made_up = made_up.unwrap_or_else(|error| {
        tracing::warn!("no READ_TOKEN can be made up, so reading is closed: {error}");
        false
    });
    let greeting = options.clone();
    let server = match Server::start(options, configuration).await {
        Ok(server) => server,
        Err(error) if error.is_locked() => return fail(&error.to_string(), MISUSE),
        Err(error) => return fail(&error.to_string(), 1),
    };
    greet(&server, &greeting, made_up);
    if let Err(error) = confinement.finish() {
        return fail(&error.to_string(), MISUSE);
    }
    let signal = loop {
        match signals.next().await {
            // What became of it is in the log.
            Signal::Reload => drop(server.reload().await),
            Signal::Stop { name, .. } => break name,
        }
    };
    tracing::info!(signal, "stopping; a second signal stops at once");
    let mut shutdown = std::pin::pin!(server.shutdown());
    loop {
        tokio::select! {
            () = &mut shutdown => {
                tracing::info!("stopped");
                return ExitCode::SUCCESS;
            }
            signal = signals.next() => {
                let Signal::Stop { name, code } = signal else {
                    continue;
                };
                tracing::warn!(signal = name, "stopped at once; the journal holds what is not published");
                // Not by returning: that would wait for the workers.
                std::process::exit(i32::from(code))
            }
        }
    }
}

fn greet(server: &RunningServer, options: &Options, made_up: bool) {
    let address = server.address();
    let Some(tenant) = options.only_summary() else {
        let (tenants, admin) = (options.tenant_count(), server.admin_address());
        let admin = admin.map(tracing::field::display);
        tracing::info!(%address, tenants, admin, "listening");
        return;
    };
    let (data_dir, workers) = (tenant.data_dir.display(), tenant.workers);
    tracing::info!(%address, %data_dir, workers, "listening");
    let page = options.page_url(address, made_up);
    if options.log_format == LogFormat::Text && std::io::stderr().is_terminal() {
        let host = match address.ip() {
            ip if ip.is_unspecified() => "localhost".to_owned(),
            ip if ip.is_ipv6() => format!("[{ip}]"),
            ip => ip.to_string(),
        };
        let url = format!("http://{host}:{}/api/v1/reports", address.port());
        print(&format!(
            "\n  netwatch-server listens on {address} and stores reports in {data_dir}\n\n  \
             Post a first one:\n    curl -H 'Content-Type: application/json' -d '{{\"hello\":\"world\"}}' \
             {url}\n\n"
        ));
        if let Some(page) = &page {
            let token = match made_up {
                true => " (the token is another at every start; set READ_TOKEN to keep one)",
                false => "",
            };
            print(&format!("  See what was measured{token}:\n    {page}\n\n"));
        }
    } else if made_up && let Some(page) = page {
        // Not through the log, which is kept and sent to others.
        print(&format!(
            "netwatch-server: see what was measured at {page}\n"
        ));
    }
}

/// Writes to standard output; nobody may be listening there.
fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn fail(message: &str, code: u8) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "netwatch-server: {message}");
    ExitCode::from(code)
}
