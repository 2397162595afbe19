// Package tracing tells an OpenTelemetry collector the ways of single routes, from BGP to the
// kernel.
//
// It promises to be nothing unless the environment names a collector, by the variables that
// OpenTelemetry's SDKs heed, to cost a bounded amount of memory whatever happens, and that no
// route ever waits for it or for the collector: what is too much is left out. Begin reading at
// FromEnvironment, and then at Tracer.Follow, of which each call is one route.
package tracing
