package daemon

import (
	"context"

	"github.com/vrfredist/vrfredist/nsworker"
	"github.com/vrfredist/vrfredist/tracing"
)

// newTracer returns a tracer where the environment wants one, else nil. What the environment says
// wrong ends nothing: it is logged, and routes go their ways untraced.
func newTracer(ctx context.Context, o Options) *tracing.Tracer {
	t, err := tracing.FromEnvironment(ctx, o.Build.Version, o.Log)
	if err != nil {
		o.Log.Warn("routes are not traced: the environment is wrong", "err", err)
	}
	return t
}

// traced is a tracer as workers see it: without one they follow nothing.
func traced(t *tracing.Tracer) nsworker.Tracer {
	if t == nil {
		return nil // and no interface of a nil pointer
	}
	return t
}
