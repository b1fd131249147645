//! control plane HTTP, OpenAPI document, sign-in, embedded console
