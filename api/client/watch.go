package client

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
)

// Watch calls each with the messages of a stream, which open begins anew whenever it breaks off,
// until ctx ends, each fails, or the daemon refuses the call. Streams of states begin with how all
// is, so that a client which goes by the newest message of each thing has missed nothing.
//
//	err := client.Watch(ctx, func(ctx context.Context) (grpc.ServerStreamingClient[vrfredistv1.WatchVrfsResponse], error) {
//		return c.WatchVrfs(ctx, &vrfredistv1.WatchVrfsRequest{})
//	}, func(m *vrfredistv1.WatchVrfsResponse) error { … })
func Watch[M any](ctx context.Context, open func(context.Context) (grpc.ServerStreamingClient[M], error), each func(*M) error) error {
	pause := firstPause
	for {
		heard, err := listen(ctx, open, each)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		// RESOURCE_EXHAUSTED: we were too slow, and may watch again.
		if code := status.Code(err); !errors.Is(err, io.EOF) && code != codes.Unavailable && code != codes.ResourceExhausted {
			return err
		}
		if heard {
			pause = firstPause
		}
		if !wait(ctx, pause) {
			return ctx.Err()
		}
		pause = min(2*pause, longestPause)
	}
}

// listen hands on the messages of one stream.
func listen[M any](ctx context.Context, open func(context.Context) (grpc.ServerStreamingClient[M], error), each func(*M) error) (heard bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := open(ctx)
	if err != nil {
		return false, err
	}
	for {
		m, err := stream.Recv()
		if err != nil {
			return heard, err
		}
		heard = true
		if err := each(m); err != nil {
			return heard, err
		}
	}
}

// FollowAudit calls each with the entries of the audit after a number, none twice, as Watch does.
func (c *Client) FollowAudit(ctx context.Context, after uint64, each func(*vrfredistv1.AuditEntry) error) error {
	return Watch(ctx, func(ctx context.Context) (grpc.ServerStreamingClient[vrfredistv1.AuditEntry], error) {
		return c.WatchAudit(ctx, &vrfredistv1.WatchAuditRequest{After: after})
	}, func(e *vrfredistv1.AuditEntry) error {
		after = e.GetNumber()
		return each(e)
	})
}
