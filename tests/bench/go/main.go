// A telemetry report collector as the description of the original server has it:
// chi routes, reports are decoded, stamped and kept in memory, and every 10 MiB or
// 60 s the memory becomes one zstd file. `make bench` compares netwatch-server with
// it; it is no part of the product.
//
// A crash loses whatever is in memory.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-chi/chi"
)

const (
	flushBytes    = 10 << 20
	flushInterval = 60 * time.Second
	maxBodyBytes  = 8 << 20
)

func main() {
	read, known := map[string]reader{"decode": decoded, "splice": spliced}[os.Getenv("READ")]
	if !known {
		log.Fatal("READ is decode or splice")
	}
	collector := newCollector(os.Getenv("DATA_DIR"), read)

	router := chi.NewRouter()
	router.Use(cors)
	router.Post("/api/v1/reports", collector.post)
	router.Get("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, `{"status":"ok"}`)
	})

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: router}
	go func() {
		if err := server.Serve(listener); err != http.ErrServerClosed {
			log.Fatal(err)
		}
	}()
	fmt.Printf("Serving HTTP on http://%s/\n", listener.Addr())

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	for tick := time.NewTicker(time.Second); ; {
		select {
		case now := <-tick.C:
			collector.flushIfDue(now)
		case <-stop:
			patience, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_ = server.Shutdown(patience)
			collector.drain()
			return
		}
	}
}

// cors lets pages of any origin post and read the answer.
func cors(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		headers := w.Header()
		headers.Add("Vary", "Origin")
		if origin := r.Header.Get("Origin"); origin != "" {
			headers.Set("Access-Control-Allow-Origin", origin)
		}
		if r.Method == http.MethodOptions {
			headers.Set("Access-Control-Allow-Methods", "POST")
			headers.Set("Access-Control-Allow-Headers", "Content-Type")
			headers.Set("Access-Control-Max-Age", "3600")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body))
}
