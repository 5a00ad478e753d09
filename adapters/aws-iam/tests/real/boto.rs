//! A client that knows nothing of us: boto3 as it is, on the file that is published.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use crate::support::{Bench, EMULATOR};

/// Makes a new session for each call, as a program does that starts anew; ends with its input. One line for each call.
const READER: &str = r#"
import os, sys, threading, boto3, botocore.config
done = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), done.set()), daemon=True).start()
config = botocore.config.Config(retries={"max_attempts": 0})
while not done.is_set():
    try:
        sts = boto3.Session(region_name="us-east-1").client("sts", endpoint_url=os.environ["ENDPOINT"], config=config)
        sts.get_caller_identity()
        print("served", flush=True)
    except Exception as why:
        print("failed", why, flush=True)
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_of_boto3_fails_while_the_file_that_it_reads_is_rotated() {
    let bench = Bench::new();
    let running = bench.start().await;
    let mut reader = Command::new(EMULATOR.python().program());
    reader.args(["-I", "-c", READER]).env_clear().env("ENDPOINT", EMULATOR.url());
    reader
        .env("AWS_SHARED_CREDENTIALS_FILE", bench.published())
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_EC2_METADATA_DISABLED", "true");
    let mut reader = reader.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let output = BufReader::new(reader.stdout.take().unwrap());
    let (told, mut first) = tokio::sync::mpsc::unbounded_channel();
    let lines = std::thread::spawn(move || {
        let seen = |line: Result<String, _>| {
            let line: String = line.unwrap();
            // Nobody may be listening any more.
            let _ = told.send(());
            line
        };
        output.lines().map(seen).collect::<Vec<_>>()
    });
    first.recv().await.unwrap();
    for _ in 0..2 {
        running.rotate().await;
    }
    drop(reader.stdin.take());
    let lines = lines.join().unwrap();
    reader.wait().unwrap();
    let failed: Vec<_> = lines.iter().filter(|line| *line != "served").collect();
    assert!(failed.is_empty(), "{failed:?} of {}", lines.len());
    assert!(lines.len() > 5, "{}: too few to prove anything", lines.len());
    running.identity.stop().await;
}
