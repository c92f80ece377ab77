//! Tables of statements and what they mean.
