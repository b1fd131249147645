//! `sycee provider`: one simulated provider on its own.
use crate::cli;
use crate::platform::{StopSignal, tokio_runtime};
use anyhow::Result;
use std::process::ExitCode;
use std::time::Duration;
use sycee_sim::provider::{Provider, ProviderConfig};

const GRACE: Duration = Duration::from_secs(5);

pub(crate) fn run(arguments: &cli::Provider) -> Result<ExitCode> {
    tokio_runtime()?.block_on(async {
        let config =
            ProviderConfig { listen: arguments.listen, seed: arguments.seed, ..ProviderConfig::default() };
        let mut stop = StopSignal::listen()?;
        let provider = Provider::bind(config).await?;
        say!("ready {}", provider.base_url());
        stop.told().await;
        provider.stop(GRACE).await;
        Ok(ExitCode::SUCCESS)
    })
}
