//! The typed face.
