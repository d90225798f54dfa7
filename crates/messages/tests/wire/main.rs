//! What goes over the wire, seen from outside.
mod cluster;
mod dialects;
mod post;
mod schemas;
