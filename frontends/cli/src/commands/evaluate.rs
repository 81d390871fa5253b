//! `tacit evaluate`: the server's part. Nothing here can hold a secret key.

use super::{spare_secret_key, timed};
use crate::args::EvaluateArgs;
use crate::console::Console;
use crate::error::CliError;
use crate::files::{self, Access, Output, is_stream};
use crate::report::units;
use crate::subject::Subject;
use crate::threads::Threads;

pub(crate) fn run(args: &EvaluateArgs, console: &Console) -> Result<(), CliError> {
    if is_stream(&args.eval_keys) && is_stream(&args.query) {
        return Err(CliError::TwiceStdin);
    }
    let output = Output::new(&args.out, Access::Public, true)?;
    let subject = Subject::load(&args.net)?;
    let sign = console.spinner("planning");
    let deployment = subject.deploy()?;
    spare_secret_key(&output)?;
    let key_bytes = files::read(&args.eval_keys, files::MAX_MESSAGE)?;
    let query = files::read(&args.query, files::MAX_MESSAGE)?;
    drop(sign);
    let sign = console.spinner("preparing weights and keys");
    let server = deployment.server().map_err(|error| subject.plan_error(error))?;
    let keys = server.read_keys(&key_bytes).map_err(CliError::message(&args.eval_keys))?;
    drop((sign, key_bytes));
    let threads = Threads::new(args.threads.asked());
    let (answer, time) = {
        let bar = console.bar("evaluating", "operations", deployment.lowered().plan().ops().len());
        timed(|| server.evaluate(&keys, &query, &threads, &|done, _| bar.set(done)))
    };
    let answer = answer.map_err(CliError::message(&args.query))?;
    output.write(&answer)?;
    let (size, time) = (units::bytes(answer.len()), units::time(time));
    console.remark(format_args!("answer of {size} in {time} on {}", units::counted(threads.count(), "thread")));
    Ok(())
}
