// SPDX-License-Identifier: Apache-2.0
import io.siddhi.core.*; import io.siddhi.core.stream.input.InputHandler; import io.siddhi.core.stream.output.StreamCallback; import io.siddhi.core.event.Event;
/** Siddhi: one app runtime in playback (event time) mode, synchronous junctions. */
public class SiddhiBench {
  static final int[] STOCK = {0,1,2,3,4,5,6,7,8,9,0,1,0,1,2,3,4,5,6,7,8,9,0,1};
  static String app(String q, int w) {
    String h = "@app:playback define stream E (sym int, card int, amount int, ts long); ";
    switch (q) {
      case "q1": return h + "from every a=E[sym==0] -> b=E[sym==1] -> c=E[sym==2] within " + w + " milliseconds select a.ts as x, c.ts as y insert into O;";
      case "q2": return h + "from every a=E[sym==0] -> every b=E[sym==1] -> every c=E[sym==2] within " + w + " milliseconds select a.ts as x, c.ts as y insert into O;";
      case "q2n": return h + "from every a=E[sym==0] -> every b=E[sym==1] -> every c=E[sym==9] within " + w + " milliseconds select a.ts as x, c.ts as y insert into O;";
      case "q4": return h + "partition with (card of E) begin from every s1=E[amount<10] -> s2=E[amount<10] -> s3=E[amount<10] -> l=E[amount>500] within 60 sec select s1.ts as x, l.ts as y insert into O; end;";
      case "q4j": return h + "from every s1=E[amount<10] -> s2=E[card==s1.card and amount<10] -> s3=E[card==s1.card and amount<10] -> l=E[card==s1.card and amount>500] within 60 sec select s1.ts as x, l.ts as y insert into O;";
      case "q5": { StringBuilder b = new StringBuilder(h); for (int i = 0; i < w; i++) b.append("from every a=E[sym==" + 3 * i + "] -> b=E[sym==" + (3 * i + 1) + "] -> c=E[sym==" + (3 * i + 2) + "] within 10 sec select a.ts as x, c.ts as y insert into O;\n"); return b.toString(); }
      case "stock": { StringBuilder b = new StringBuilder(h + "from every a0=E[sym==0 and card==1]"); for (int i = 1; i < w; i++) b.append(" -> every a" + i + "=E[sym==" + STOCK[i] + " and card==" + (i % 3 == 0 ? 1 : 0) + "]"); return b + " within 10 sec select a0.ts as x insert into O;"; }
    } throw new RuntimeException(q); }
  static Data.Engine make(String q, int w) throws Exception {
    SiddhiManager m = new SiddhiManager(); SiddhiAppRuntime rt = m.createSiddhiAppRuntime(app(q, w)); long[] n = {0};
    rt.addCallback("O", new StreamCallback() { public void receive(Event[] es) { n[0] += es.length; } });
    rt.start(); InputHandler in = rt.getInputHandler("E");
    return new Data.Engine() { public void on(Data.Ev e) throws Exception { in.send(e.ts + 1, new Object[]{e.sym, e.card, e.amount, e.ts}); } public long matches() { return n[0]; } public void close() { rt.shutdown(); m.shutdown(); } }; }
  public static void main(String[] a) throws Exception { Data.Ev[] ev = Data.load(a[0]); int w = Integer.parseInt(a[2]);
    Data.run("SIDDHI " + a[1] + " " + w, ev, Double.parseDouble(a[3]), () -> make(a[1], w)); System.exit(0); }
}
