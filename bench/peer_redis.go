package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/alexedwards/scs/redisstore"
	"github.com/gomodule/redigo/redis"
)

// This file starts Redis, and is the site on it.

const redisSettings = "Redis on loopback, appendonly yes, appendfsync always, no snapshots; up to 512 connections kept open"

func (s *services) startRedis(ctx context.Context) (_ *service, err error) {
	path, err := s.program(ctx, "redis-server", func() (string, error) { return exec.LookPath("redis-server") })
	if err != nil {
		return nil, err
	}
	dir, err := dataDir("redis", nil)
	if err != nil {
		return nil, err
	}
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	d, err := startDaemon(dir, nil, path, "--bind", "127.0.0.1", "--port", port, "--dir", dir, "--save", "",
		"--appendonly", "yes", "--appendfsync", "always")
	if err != nil {
		return nil, err
	}
	stop := func() error {
		err := d.stop(terminated)
		if rerr := os.RemoveAll(dir); err == nil {
			err = rerr
		}
		return err
	}
	svc := &service{address: "127.0.0.1:" + port, stop: stop}
	err = d.await(ctx, func(ctx context.Context) error {
		c, err := redis.DialContext(ctx, "tcp", svc.address)
		if err != nil {
			return err
		}
		defer func() { _ = c.Close() }()
		if err := configured(c, "appendonly", "yes"); err != nil {
			return err
		}
		if err := configured(c, "appendfsync", "always"); err != nil {
			return err
		}
		info, err := redis.String(c.Do("INFO", "server"))
		if err != nil {
			return err
		}
		_, rest, _ := strings.Cut(info, "redis_version:")
		version, _, _ := strings.Cut(rest, "\r")
		svc.version = "Redis " + version
		return nil
	})
	if err != nil {
		_ = stop()
		return nil, err
	}
	return svc, nil
}

// configured fails if a setting isn't the one that the report names.
func configured(c redis.Conn, name, want string) error {
	got, err := redis.StringMap(c.Do("CONFIG", "GET", name))
	if err == nil && got[name] != want {
		err = fmt.Errorf("redis: %s is %q in place of %q", name, got[name], want)
	}
	return err
}

// redisSite is scs on Redis.
func redisSite(b *Bench) (*site, error) {
	svc, err := b.get(b, needRedis)
	if err != nil {
		return nil, err
	}
	pool := &redis.Pool{
		MaxIdle: 512, IdleTimeout: time.Hour,
		DialContext: func(ctx context.Context) (redis.Conn, error) { return redis.DialContext(ctx, "tcp", svc.address) },
	}
	b.Cleanup(pool.Close)
	return newSite("scs+redis", redisSettings, newSCS(redisstore.New(pool))), nil
}
