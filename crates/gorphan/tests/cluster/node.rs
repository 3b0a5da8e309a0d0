//! A node of a Ballista cluster, in a process of its own: what Ballista's programs do, without their logs.
//!
//! `ballista-node scheduler|executor OPTIONS`, with the options of `ballista-scheduler` and `ballista-executor`.

#![forbid(unsafe_code)]

use std::sync::Arc;

use ballista_core::error::{BallistaError, Result};
use ballista_core::object_store::{
    runtime_env_with_s3_support, session_config_with_s3_support, session_state_with_s3_support,
};
use ballista_executor::executor_process::{ExecutorProcessConfig, start_executor_process};
use ballista_scheduler::cluster::BallistaCluster;
use ballista_scheduler::config::SchedulerConfig;
use ballista_scheduler::scheduler_process::start_server;
use clap::Parser;

/// Plans are deep, and a debug build's frames are wide.
const STACK_BYTES: usize = 32 << 20;

fn main() -> Result<()> {
    let mut options: Vec<String> = std::env::args().collect();
    let role = if options.len() > 1 {
        options.remove(1)
    } else {
        String::new()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(STACK_BYTES)
        .build()?;
    match role.as_str() {
        "scheduler" => runtime.block_on(scheduler(&options)),
        "executor" => runtime.block_on(executor(&options)),
        _ => Err(BallistaError::Configuration(
            "usage: ballista-node scheduler|executor OPTIONS".to_owned(),
        )),
    }
}

async fn scheduler(options: &[String]) -> Result<()> {
    let options = ballista_scheduler::config::Config::parse_from(options);
    let address = format!("{}:{}", options.bind_host, options.bind_port);
    let address = address
        .parse()
        .map_err(|error| BallistaError::Configuration(format!("{address}: {error}")))?;
    let config: SchedulerConfig = options.try_into()?;
    let config = config
        .with_override_config_producer(Arc::new(session_config_with_s3_support))
        .with_override_session_builder(Arc::new(session_state_with_s3_support));
    let cluster = BallistaCluster::new_from_config(&config).await?;
    start_server(cluster, address, Arc::new(config)).await
}

async fn executor(options: &[String]) -> Result<()> {
    let options = ballista_executor::config::Config::parse_from(options);
    let mut config: ExecutorProcessConfig = options.try_into()?;
    config.override_config_producer = Some(Arc::new(session_config_with_s3_support));
    config.override_runtime_producer = Some(Arc::new(runtime_env_with_s3_support));
    start_executor_process(Arc::new(config)).await
}
