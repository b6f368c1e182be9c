// SPDX-License-Identifier: Apache-2.0
import java.io.*; import java.nio.*; import java.nio.channels.FileChannel; import java.nio.file.*; import java.util.*;
/** The stream, and the clock: reads the int32 columns; Meter reports rate, CPU, heap. */
public class Data {
  public static final class Ev { public final int sym, card, amount; public final long ts;
    Ev(int s, int c, int a, long t) { sym = s; card = c; amount = a; ts = t; }
    public int getSym() { return sym; } public int getCard() { return card; } public int getAmount() { return amount; } public long getTs() { return ts; } }
  public static Ev[] load(String f) throws IOException {
    ByteBuffer b = ByteBuffer.wrap(Files.readAllBytes(Path.of(f))).order(ByteOrder.LITTLE_ENDIAN);
    Ev[] r = new Ev[b.remaining() / 16];
    for (int i = 0; i < r.length; i++) r[i] = new Ev(b.getInt(), b.getInt(), b.getInt(), b.getInt());
    return r; }
  public static double cpu() { return ((com.sun.management.OperatingSystemMXBean) java.lang.management.ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime() / 1e9; }
  public static long heap() { System.gc(); System.gc(); Runtime r = Runtime.getRuntime(); return (r.totalMemory() - r.freeMemory()) >> 20; }
  public static long rss() throws IOException { for (String l : Files.readAllLines(Path.of("/proc/self/status"))) if (l.startsWith("VmHWM")) return Long.parseLong(l.replaceAll("\\D", "")) >> 10; return -1; }
  public interface Engine { void on(Ev e) throws Exception; long matches(); default void close() throws Exception {} }
  public interface Make { Engine get() throws Exception; }
  /** one warm pass (at most 5 s), then the measured pass on a fresh engine, at most maxSec */
  public static void run(String name, Ev[] ev, double maxSec, Make make) throws Exception {
    long h0 = heap();
    pass(make.get(), ev, Math.min(5, maxSec / 3), null, 0);
    pass(make.get(), ev, maxSec, name, h0); }
  static double tcpu() { return java.lang.management.ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime() / 1e9; }
  /** limits and rates are in CPU seconds of the engine's thread (the machine is shared); process CPU (JIT, GC) is told beside it */
  static void pass(Engine en, Ev[] ev, double maxSec, String name, long h0) throws Exception {
    double p0 = cpu(), c0 = tcpu(); long w0 = System.nanoTime(), look = w0; ArrayDeque<double[]> s = new ArrayDeque<>(); double next = c0; int i = 0; boolean cut = false;
    for (; i < ev.length; i++) { en.on(ev[i]);
      if ((i & 7) == 0) { long t = System.nanoTime(); if (t - look > 20_000_000L) { look = t; double c = tcpu(); if (c >= next) { s.add(new double[]{c, i}); next = c + .25; if (s.size() > 9) s.poll(); } if (c - c0 > maxSec) { i++; cut = true; break; } } } }
    double c1 = tcpu(), c = c1 - c0, pc = cpu() - p0, w = (System.nanoTime() - w0) / 1e9;
    double[] f = s.peek(); double last = f == null || c1 - f[0] < .1 ? i / c : (i - f[1]) / (c1 - f[0]);
    if (name != null) { long m = en.matches(); long h1 = heap();
      System.out.printf("%s events=%d%s thrcpu=%.3f proccpu=%.3f wall=%.3f ev/cpus=%.0f last2s=%.0f matches=%d retainedMB=%d rssMB=%d%n", name, i, cut ? "(cut)" : "", c, pc, w, i / c, last, m, h1 - h0, rss()); System.out.flush(); }
    en.close(); }
}
