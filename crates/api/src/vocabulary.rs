//! The closed vocabularies of the API: a word here is an enum in the document, and a type in every client made from it.
//!
//! Those that mirror an enum of the core have its variants one by one, so that a new one does not compile before it has its
//! word here.
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Enums, their words in snake case, and the enum of the core that each mirrors.
macro_rules! mirrored {
    ($($(#[$doc:meta])* $name:ident of $core:ty { $($(#[$word:meta])? $variant:ident),* $(,)? })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
            #[serde(rename_all = "snake_case")]
            pub(crate) enum $name {
                $($(#[$word])? $variant),*
            }

            impl From<$core> for $name {
                fn from(it: $core) -> Self {
                    match it {
                        $(<$core>::$variant => Self::$variant),*
                    }
                }
            }

            impl From<$name> for $core {
                fn from(it: $name) -> Self {
                    match it {
                        $($name::$variant => Self::$variant),*
                    }
                }
            }
        )*
    };
}

mirrored! {
    /// What a member may take part as.
    Role of sycee_core::membership::Role {
        Operator,
        Consumer,
        Provider,
        Author,
        Auditor,
        Meter,
    }

    /// Whether a member or a thing of the catalogue takes part now.
    Standing of sycee_core::membership::Standing {
        Active,
        Suspended,
    }

    /// What a model does.
    ModelKind of sycee_core::catalog::Kind {
        Chat,
        Embedding,
    }

    /// Where a figure of energy comes from.
    Basis of sycee_core::catalog::Basis {
        Measured,
        Published,
        Assumed,
    }

    /// Why somebody is paid.
    PartyRole of sycee_core::catalog::PartyRole {
        Site,
        Author,
        DataOwner,
        Fee,
    }

    /// A kind of tokens that has its own price.
    Bucket of sycee_core::buckets::Bucket {
        InputUncached,
        CacheRead,
        #[serde(rename = "cache_write_5m")]
        CacheWrite5m,
        #[serde(rename = "cache_write_1h")]
        CacheWrite1h,
        InputAudio,
        InputImage,
        OutputVisible,
        OutputReasoning,
        OutputAudio,
        OutputImage,
    }

    /// What was asked for.
    Endpoint of sycee_core::settlement::Endpoint {
        Chat,
        Embeddings,
    }

    /// How an answer ended.
    Finish of sycee_core::settlement::Finish {
        Stop,
        Length,
        ToolCalls,
        ContentFilter,
        Cancelled,
        UpstreamError,
        Recovered,
        Other,
    }

    /// Whose count a bill stands on.
    Measure of sycee_core::settlement::Measure {
        OwnCount,
        Unverified,
    }

    /// How a try at a site went.
    AttemptOutcome of sycee_core::settlement::AttemptOutcome {
        Served,
        Unreachable,
        TimedOut,
        Failed,
        Busy,
        BrokeOff,
        Cancelled,
    }

    /// Where the other side of a correction stands.
    Against of sycee_core::ledger::Against {
        Outside,
        Fees,
    }
}

/// Why money moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MovementKind {
    Deposit,
    Payout,
    Correction,
    Receipt,
    /// Lines of metering, in one sum.
    Metering,
}

impl MovementKind {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Deposit => "deposit",
            Self::Payout => "payout",
            Self::Correction => "correction",
            Self::Receipt => "receipt",
            Self::Metering => "metering",
        }
    }
}

/// As what the holder of a flat share is paid.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its words are needed: a catalogue is read with the field that is wrong")]
pub(crate) enum ShareRole {
    Author,
    DataOwner,
}

#[cfg(test)]
mod tests {
    use super::*;
    use sycee_core::{catalog, membership, settlement};

    fn word(of: impl Serialize) -> String {
        serde_json::to_value(of).unwrap().as_str().unwrap().to_owned()
    }

    /// The core has words of its own, for the log and for differences in a catalogue.
    #[test]
    fn a_word_is_the_same_everywhere() {
        for role in membership::Role::ALL {
            assert_eq!(word(Role::from(role)), role.name());
        }
        for bucket in sycee_core::buckets::Bucket::ALL {
            assert_eq!(word(Bucket::from(bucket)), bucket.name());
        }
        for role in [PartyRole::Site, PartyRole::Author, PartyRole::DataOwner, PartyRole::Fee] {
            assert_eq!(word(role), catalog::PartyRole::from(role).name());
        }
        for measure in [Measure::OwnCount, Measure::Unverified] {
            assert_eq!(word(measure), settlement::Measure::from(measure).name());
        }
        for kind in
            [MovementKind::Deposit, MovementKind::Payout, MovementKind::Correction, MovementKind::Receipt]
        {
            assert_eq!(word(kind), kind.word());
        }
    }
}
