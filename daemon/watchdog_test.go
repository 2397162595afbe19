package daemon

import (
	"bytes"
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestWatchdogIsFedWhileAllAnswer has one of two parts stuck for a while.
func TestWatchdogIsFedWhileAllAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		m, record := told(&log)
		loose := make(chan struct{})
		close(loose)
		var stuck atomic.Value // of a channel that is closed while the part is not stuck
		stuck.Store(loose)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			m.watchdog(ctx, 30*time.Second,
				probe{"one", func(context.Context) error { return nil }},
				probe{"two", func(context.Context) error { <-stuck.Load().(chan struct{}); return nil }})
		}()
		fed := func(span time.Duration) int {
			record.take()
			time.Sleep(span) // of the bubble's clock
			synctest.Wait()
			return len(record.take())
		}
		if n := fed(5 * time.Minute); n < 29 || n > 31 {
			t.Errorf("fed %d times in 5 minutes, want every 10 seconds", n)
		}
		held := make(chan struct{})
		stuck.Store(held)
		fed(10 * time.Second) // the answer that was on its way
		if n := fed(5 * time.Minute); n != 0 {
			t.Errorf("fed %d times while a part is stuck", n)
		}
		if n := strings.Count(log.String(), "does not answer"); n != 1 {
			t.Errorf("said %d times that a part does not answer:\n%s", n, &log)
		}
		close(held)
		if n := fed(5 * time.Minute); n < 29 {
			t.Errorf("fed %d times after it came loose", n)
		}
		cancel()
		<-ended
	})
}
