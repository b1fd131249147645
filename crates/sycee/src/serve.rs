//! `sycee serve`: the platform on a log.
use crate::cli;
use crate::config::Config;
use crate::platform::{Platform, bind, tokio_runtime};
use anyhow::Result;
use std::path::Path;
use std::process::ExitCode;
use sycee_gateway::Gateway;

pub(crate) fn run(arguments: &cli::Serve) -> Result<ExitCode> {
    let config = Config::read(&arguments.config)?;
    tokio_runtime()?.block_on(async {
        let listener = bind(config.listen).await?;
        let address = listener.local_addr()?;
        let node = sycee_node::start(sycee_node::Options {
            accept_clock: arguments.accept_clock,
            cut_tail: arguments.cut_tail,
            segment_bytes: arguments.segment.bytes(),
            ..sycee_node::Options::new(&arguments.data)
        })
        .map_err(|error| {
            anyhow::Error::new(error).context(format!("the log in {}", arguments.data.display()))
        })?;
        let platform = Platform::start(node, listener, config.gateway, sycee_api::Options::default()).await?;
        say!("ready http://{address}");
        platform.run(|gateway| reload(gateway, &arguments.config)).await?;
        say!("stopped");
        Ok(ExitCode::SUCCESS)
    })
}

/// Takes all of the file's local facts, or none: what is wrong with it is said, and what was in force stays so.
fn reload(gateway: &Gateway, path: &Path) {
    match Config::read(path) {
        Ok(config) => {
            gateway.reload(config.gateway);
            tracing::warn!("read {} again", path.display());
        }
        Err(mistake) => tracing::error!("kept the configuration as it was: {mistake}"),
    }
}
