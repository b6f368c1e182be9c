// SPDX-License-Identifier: Apache-2.0
package peers;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicLong;

/** Counts input records and samples the process CPU time at the first record, half way and at the end. */
public final class Probe {
  /** One per operator instance, written by one thread only. */
  public static final class Counter extends AtomicLong {
    public void inc() { lazySet(getPlain() + 1); }
  }

  private static final OperatingSystemMXBean OS =
      (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
  private static final List<Counter> IN = new CopyOnWriteArrayList<>(), MID = new CopyOnWriteArrayList<>(),
      DOWN = new CopyOnWriteArrayList<>();
  private static volatile double w0, c0, wHalf, cHalf;
  private static volatile long nHalf;

  private Probe() {}

  private static Counter register(List<Counter> l) { Counter c = new Counter(); l.add(c); return c; }
  public static Counter in() { return register(IN); }
  public static Counter mid() { return register(MID); }
  public static Counter down() { return register(DOWN); }

  private static long sum(List<Counter> l) { long s = 0; for (Counter c : l) s += c.getOpaque(); return s; }
  private static double cpu() { return OS.getProcessCpuTime() / 1e9; }
  private static double wall() { return System.nanoTime() / 1e9; }

  /** Starts the sampler; returns a thread that ends when N inputs, and all they caused downstream, are through. */
  public static Thread start(long n) {
    Thread t = new Thread(() -> {
      try {
        while (sum(IN) == 0) Thread.sleep(10);
        w0 = wall(); c0 = cpu();
        while (sum(IN) < n / 2) Thread.sleep(10);
        nHalf = sum(IN); wHalf = wall(); cHalf = cpu();
        while (sum(IN) < n || (!DOWN.isEmpty() && sum(DOWN) < sum(MID))) Thread.sleep(10);
      } catch (InterruptedException e) { Thread.currentThread().interrupt(); }
    }, "probe");
    t.setDaemon(true);
    t.start();
    return t;
  }

  public static void report(String engine) throws Exception {
    double w = wall() - w0, all = cpu(), c = all - c0;
    long n = sum(IN);
    long rss = 0;
    for (String l : Files.readAllLines(Path.of("/proc/self/status")))
      if (l.startsWith("VmHWM")) rss = Long.parseLong(l.replaceAll("\\D", "")) / 1024;
    System.out.printf(Locale.ROOT, "{\"engine\":\"%s\",\"in\":%d,\"mid\":%d,\"wall_s\":%.3f,\"startup_cpu_s\":%.3f,\"cpu_s\":%.3f,"
        + "\"cpu_s_per_M\":%.4f,\"steady_cpu_s_per_M\":%.4f,\"kev_per_s\":%.0f,\"steady_kev_per_s\":%.0f,\"rss_MiB\":%d}%n",
        engine, n, sum(MID), w, c0, c, c * 1e6 / n, (all - cHalf) * 1e6 / Math.max(1, n - nHalf), n / w / 1e3,
        (n - nHalf) / (w + w0 - wHalf) / 1e3, rss);
    System.out.flush();
  }
}
