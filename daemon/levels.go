package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// levels is the level of the log, which changes at run time. It is a part of the api.Backend.
type levels struct {
	level *slog.LevelVar // nil: it cannot be changed
	first slog.Level     // that of the start
	log   *slog.Logger
}

func newLevels(level *slog.LevelVar, log *slog.Logger) *levels {
	l := &levels{level: level, log: log}
	if level != nil {
		l.first = level.Level()
	}
	return l
}

// LogLevel implements api.Backend.
func (l *levels) LogLevel() string {
	if l.level == nil {
		return levelName(slog.LevelInfo)
	}
	return levelName(l.level.Level())
}

func levelName(l slog.Level) string { return strings.ToLower(l.String()) }

// SetLogLevel implements api.Backend. What changed is logged whatever the level, once.
func (l *levels) SetLogLevel(level, by string) error {
	if l.level == nil {
		return errors.New("the level of this log cannot be changed")
	}
	var to slog.Level
	if err := to.UnmarshalText([]byte(level)); err != nil {
		return fmt.Errorf("%q is no level of the log: write debug, info, warn or error", level)
	}
	l.set(to, by)
	return nil
}

func (l *levels) set(to slog.Level, by string) {
	was := l.level.Level()
	if was == to {
		return
	}
	l.level.Set(min(was, to))
	l.log.Log(context.Background(), max(slog.LevelInfo, l.level.Level()), "the level of the log is another one", "was", levelName(was), "is", levelName(to), "by", by)
	l.level.Set(to)
}

// heed changes the level whenever a signal asks for it: to debug, or back to that of the start.
func (l *levels) heed(ctx context.Context, s signals) {
	for {
		select {
		case <-ctx.Done():
			return
		case sig := <-s.louder:
			switch {
			case l.level == nil:
			case l.level.Level() == slog.LevelDebug:
				l.set(l.first, sig.String())
			default:
				l.set(slog.LevelDebug, sig.String())
			}
		}
	}
}
