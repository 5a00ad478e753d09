//! Verified blue/green rotation of foundational credentials.
//!
//! [`Identity`] runs the rotation of one credential, [`Credentials`] gives it to work, [`port`] is what to implement for
//! another provider, journal or store. [`core`] is the machine that decides: pure, and model-checked.
//!
//! | feature (the first three are default) | module | what it brings |
//! | --- | --- | --- |
//! | `journal` | `journal` | the crash-recovery journal as a file of JSON lines |
//! | `sink` | `sink` | the survivor stores: two slots with a file that readers open, or two sealed ones |
//! | `vault` | `vault` | tokens of Vault and OpenBao |
//! | `proxy` | `proxy` | the API proxy: programs that cannot be changed are given a token that never changes |
//! | `tower` | `tower` | a layer: any HTTP client bears the credential that serves |
//! | `aws-iam` | `aws_iam` | access keys of AWS IAM |
//! | `vaultrs` | `vaultrs` | code that is written for `vaultrs`, over credentials that rotate: `vault::RotatingClient` |
//! | `conformance` | `conformance` | the kit that tests whoever implements a port |

#[cfg(feature = "aws-iam")]
pub use turquoise_aws_iam as aws_iam;
#[cfg(feature = "journal")]
pub use turquoise_journal as journal;
#[cfg(feature = "proxy")]
pub use turquoise_proxy as proxy;
pub use turquoise_runtime::*;
#[cfg(feature = "sink")]
pub use turquoise_sink as sink;
#[cfg(feature = "tower")]
pub use turquoise_tower as tower;
#[cfg(feature = "vault")]
pub use turquoise_vault as vault;
#[cfg(feature = "vaultrs")]
pub use vaultrs;
